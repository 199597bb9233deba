create or replace view acknowledgements with (security_invoker = true) as
select
  a.org_id,
  a.cluster,
  a.rule_name,
  a.error_key,
  lower(a.period) as since,
  d.justification as reason,
  a.id as acknowledgement_id
from acknowledgement a
left join rule_disable d
  on a.source = 'rule_disable' and a.source_key = concat_ws(' ', d.org_id, d.rule_id, d.error_key)
where a.period @> now();

comment on view acknowledgements is
  'The acknowledgements in force: which organization, or which of its clusters, does not want to be '
  'notified of which rule.';
comment on column acknowledgements.org_id is 'the organization; null: the one that owns the cluster';
comment on column acknowledgements.cluster is 'only for this cluster; null: all clusters of the organization';
comment on column acknowledgements.rule_name is 'bare name of the rule';
comment on column acknowledgements.error_key is 'which of the rule''s problems; null: all of them';
comment on column acknowledgements.since is 'from when';
comment on column acknowledgements.reason is 'why; kept for whole organizations only';
comment on column acknowledgements.acknowledgement_id is
  'number of the acknowledgement, as in explain_notification';
