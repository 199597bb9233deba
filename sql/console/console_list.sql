-- Key columns are never null and tell the rows of their view apart, so that a page can go on after a row.
create or replace view ccx.console_list with (security_invoker = true) as
select l.name, l.relation, l.keys, l.filters, l.time_column
from (values
  ('new', 'public.explain_notification', '{org_id,cluster,issue_id,target}'::text[],
    '{org_id,cluster,rule,target,decision,reasons,issue_state}'::text[], 'last_seen'),
  ('notified', 'public.reported_in_words', '{notified_at,org_id,cluster,target}',
    '{org_id,cluster,target,state}', 'notified_at'),
  ('rules', 'ccx.shown_noise', '{component,error_key,target}', '{rule,error_key,target}', null),
  ('policies', 'public.policies', '{policy_id}', '{org_id,rule,target}', 'since'),
  ('policy_history', 'public.policy_history', '{policy_id}', '{org_id,rule,target,changed_by}', 'since'),
  ('silences', 'public.silences', '{id}', '{id,state,org_id,cluster,rule,tag,created_by}', 'starts_at'),
  ('acknowledgements', 'public.acknowledgements', '{acknowledgement_id}', '{org_id,cluster,rule}', 'since'),
  ('waiting', 'public.delivery_gap', '{notification_id}', '{org_id,cluster,target,failure,state}',
    'decided_at'),
  ('dead', 'public.dead_letter', '{notification_id}', '{org_id,cluster,target,failure}', 'ended_at'),
  ('rejected', 'ccx.rejected_row', '{id}', '{org_id,cluster,topic,reason,state}', 'received_at'),
  ('rejected_hours', 'public.rejected_summary', '{hour,topic,reason}', '{topic,reason}', 'hour'),
  ('storms', 'public.storms', '{id}', '{target,rule,state}', 'began_at'),
  ('stuck', 'public.stuck_cluster', '{cluster,org_id}', '{org_id,cluster}', 'since'),
  ('partitions', 'public.partitions', '{name}', '{parent,held_by}', null),
  ('retention', 'public.retention', '{parent}', '{parent}', null),
  ('acts', 'public.console_act', '{id}', '{person,act}', 'at')
) as l (name, relation, keys, filters, time_column);

comment on view ccx.console_list is 'The tables that the console shows, each with the view that it reads.';
comment on column ccx.console_list.name is 'name of the table in the console';
comment on column ccx.console_list.relation is 'the view or table that it reads';
comment on column ccx.console_list.keys is 'the columns that tell its rows apart';
comment on column ccx.console_list.filters is 'what it may be narrowed by: columns, and rule in any spelling';
comment on column ccx.console_list.time_column is 'the column that from and to narrow';
