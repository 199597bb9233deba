-- `execute` plans with the organizations at hand.
create or replace function ccx.count_noise(s survey, p survey_part) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  execute $query$
    insert into surveyed_noise as x (survey_id, target_id, rule_id, notified, clusters, organizations,
      sightings, occurrences, flapping_issues, gone_within_an_hour, open_issues)
    select $1, t.id, r.id, n.notified, n.clusters, n.organizations, n.sightings, n.occurrences,
      n.flapping_issues, n.gone_within_an_hour, n.open_issues
    from noise_between($2 - interval '7 days', $2, $2, $3, $4) n
    join event_targets t on t.name = n.target
    join rule r on r.component = n.component and r.error_key = n.error_key
    order by r.id, t.id
    on conflict (survey_id, rule_id, target_id) do update
    set notified = x.notified + excluded.notified, clusters = x.clusters + excluded.clusters,
      organizations = x.organizations + excluded.organizations,
      sightings = coalesce(x.sightings + excluded.sightings, x.sightings, excluded.sightings),
      occurrences = x.occurrences + excluded.occurrences,
      flapping_issues = x.flapping_issues + excluded.flapping_issues,
      gone_within_an_hour = x.gone_within_an_hour + excluded.gone_within_an_hour,
      open_issues = x.open_issues + excluded.open_issues
  $query$ using s.id, s.at, p.first_org, p.last_org;
end $$;

comment on function ccx.count_noise(survey, survey_part) is
  'Counts how loud rules were in the week before a survey, for the organizations of a part, and adds that to '
  'surveyed_noise.';
