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
  )::double precision as missing_rules,
  (select count(*) from content_refusal)::double precision as refused_rules,
  (
    select extract(epoch from now() - g.held_since) from content_guard g
  )::double precision as held_load_seconds,
  (select count(*) from doubtful_texts)::double precision as doubtful_texts
from rule_content c;

comment on view metrics_content is 'What is known about rules, and how old it is.';
comment on column metrics_content.rules_in_force is 'rules and error keys with content in force';
comment on column metrics_content.age_seconds is
  'time since content last changed; absent when there never was any';
comment on column metrics_content.missing_rules is
  'rules and error keys that reports have named and that have no content';
comment on column metrics_content.refused_rules is
  'rules and error keys that the latest load left out, since they do not conform';
comment on column metrics_content.held_load_seconds is
  'since when loads of content are refused, as they would change too much; absent when none is';
comment on column metrics_content.doubtful_texts is
  'places of texts in force that lacked a value when they were rendered';
