-- Few clusters of many: looked up by index, in the order in which decide() names its tables. `execute` plans
-- with the clusters at hand, as in decide_due().
create or replace function ccx.count_decisions(s survey, p survey_part) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
set random_page_cost = 1.1
set join_collapse_limit = 1
set max_parallel_workers_per_gather = 0
as $$
begin
  execute $query$
    insert into surveyed_decision as x
      (survey_id, grouped_by, name, target_id, decision, decisions, clusters, organizations)
    select $1, g.grouped_by, g.name, t.id, g.decision, g.decisions, g.clusters, g.organizations
    from decision_groups($2, first_org => $3, last_org => $4, clusters => $5) g
    left join event_targets t on t.name = g.target
    order by g.grouped_by, g.name, t.id, g.decision
    on conflict (survey_id, grouped_by, name, decision, target_id) do update
    set decisions = x.decisions + excluded.decisions, clusters = x.clusters + excluded.clusters,
      organizations = x.organizations + excluded.organizations
  $query$ using s.id, s.at, p.first_org, p.last_org,
    array(select l.cluster from latest_report l where l.org_id between p.first_org and p.last_org);
end $$;

comment on function ccx.count_decisions(survey, survey_part) is
  'Counts the decisions of a part of a survey, and adds them to surveyed_decision.';
