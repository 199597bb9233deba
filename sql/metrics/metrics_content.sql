-- Missing: named by any report, also where no issue is open now. The view missing_content is exact, and
-- reads issues.
create or replace view metrics_content with (security_invoker = true) as
select
  count(*) filter (where upper_inf(c.validity))::double precision as rules_in_force,
  extract(epoch from now() - max(lower(c.validity)))::double precision as age_seconds,
  (
    select count(*)
    from rule r
    where not exists (
      select from rule_content k
      where k.rule_name = r.rule_name and k.error_key = r.error_key and upper_inf(k.validity))
  )::double precision as missing_rules
from rule_content c;

comment on view metrics_content is 'What is known about rules, and how old it is.';
comment on column metrics_content.rules_in_force is 'rules and error keys with content in force';
comment on column metrics_content.age_seconds is
  'time since content last changed; absent when there never was any';
comment on column metrics_content.missing_rules is
  'rules and error keys that reports have named and that have no content';
