-- For a transaction that is rolled back: load content, and see what it would change.
create or replace view content_diff with (security_invoker = true) as
select
  rule_name,
  error_key,
  case when past.id is null then 'added' when present.id is null then 'removed' else 'changed' end as change,
  case when past.id is not null and present.id is not null then array(
    select before.key
    from jsonb_each(to_jsonb(past) - '{id,validity,total_risk}'::text[]) before
    join jsonb_each(to_jsonb(present)) after using (key)
    where before.value <> after.value
    order by before.key)
  end as columns,
  past.total_risk as total_risk_before,
  present.total_risk,
  past.id as content_id_before,
  present.id as content_id
from (select * from rule_content where upper(validity) = now()) past
full join (select * from rule_content where lower(validity) = now()) present using (rule_name, error_key);

comment on view content_diff is
  'What the open transaction changed in the content: versions that ended or began with it. Empty unless '
  'this transaction loaded content; roll back to only try.';
comment on column content_diff.rule_name is 'bare name of the rule';
comment on column content_diff.error_key is 'which of the rule''s problems';
comment on column content_diff.change is 'added, changed or removed';
comment on column content_diff.columns is 'what changed, by column of rule_content; null unless changed';
comment on column content_diff.total_risk_before is 'total risk before; null: added';
comment on column content_diff.total_risk is 'total risk with the change; null: removed';
comment on column content_diff.content_id_before is 'content version that ends; null: added';
comment on column content_diff.content_id is 'content version that begins; null: removed';
