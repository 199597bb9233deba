-- What should be the same in every cell, in a form that can be compared: without numbers, which each cell
-- gives by itself, and without who made it. Content is fetched by each cell for itself, so its time does not
-- count. Silences and acknowledgements of one cluster are its cell's own.
create or replace view fleet.setting_in_force with (security_invoker = true) as
select c.name as cell, s.kind, s.name, s.setting
from cell c
cross join (
  select 'policy' as kind,
    concat_ws(', ', t.name, 'organization ' || p.org_id, 'rule ' || p.rule_name) as name,
    to_jsonb(p) - array['id', 'target_id', 'org_id', 'rule_name', 'compiled_filter', 'changed_by', 'reason',
      'ended_by', 'end_reason'] as setting
  from policy p
  join event_targets t on t.id = p.target_id
  where coalesce(upper(p.validity), 'infinity') > now()
  union all
  select 'silence',
    concat_ws(', ', 'organization ' || s.org_id, 'rule ' || s.rule_name, 'error key ' || s.error_key,
      'tag ' || s.tag, case when s.everything then 'everything' end),
    jsonb_build_object('in_force', s.in_force)
  from silence s
  where s.cluster is null and upper(s.in_force) > now()
  union all
  select 'acknowledgement',
    concat_ws(', ', 'organization ' || a.org_id, 'rule ' || a.rule_name, 'error key ' || a.error_key), '{}'
  from acknowledgements a
  where a.cluster is null
  union all
  select 'content', concat_ws('|', r.rule_name, r.error_key),
    jsonb_build_object('status', r.status, 'total_risk', r.total_risk, 'md5', md5(jsonb_build_array(
      r.python_module, r.description, r.generic, r.summary, r.reason, r.resolution, r.more_info, r.impact,
      r.likelihood, r.tags)::text))
  from rule_content r
  where upper_inf(r.validity)
  union all
  select 'retention', r.parent, jsonb_build_object('keep', r.keep)
  from retention r
) s;

comment on view fleet.setting_in_force is
  'What is set in this cell, now or from a later time on, and should be the same in every cell.';
comment on column fleet.setting_in_force.cell is 'name of the cell';
comment on column fleet.setting_in_force.kind is 'policy, silence, acknowledgement, content or retention';
comment on column fleet.setting_in_force.name is 'what it is about';
comment on column fleet.setting_in_force.setting is 'what is set; of the texts of content: a hash';
