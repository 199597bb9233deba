create or replace view refused_content with (security_invoker = true) as
select
  r.rule_name,
  r.error_key,
  r.problems,
  r.since,
  r.source,
  array(
    select c.error_key
    from rule_content c
    where c.rule_name = r.rule_name and (r.error_key is null or c.error_key = r.error_key)
      and upper_inf(c.validity)
    order by c.error_key) as kept
from content_refusal r;

comment on view refused_content is
  'Rules and error keys that the latest load of content left out, because they do not conform. Their old '
  'versions stay in force; without one, their issues are held as no_content.';
comment on column refused_content.rule_name is 'bare name of the rule, as far as it can be stored';
comment on column refused_content.error_key is 'which of the rule''s problems; null: the whole rule';
comment on column refused_content.problems is 'everything that is wrong with it, one sentence each';
comment on column refused_content.since is 'the first load in a row that left it out';
comment on column refused_content.source is 'the folder or content service of the latest load';
comment on column refused_content.kept is
  'error keys whose old version stays in force; empty: nothing is known of it';
