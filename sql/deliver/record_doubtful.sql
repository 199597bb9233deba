-- A message counts once, when it has ended. In the order of the key, the same for everybody.
create or replace function ccx.record_doubtful(settled settled_notification[], at timestamptz) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into doubtful_text as d (content_id, target_id, text_name, place, kind, since, last_at, times,
    example_cluster, example)
  select i.content_id, s.target_id, u.text, u.place, u.kind, record_doubtful.at, record_doubtful.at,
    count(distinct s.id), max(n.cluster), (array_agg(u.example order by n.cluster desc))[1]
  from unnest(settled) s
  cross join lateral jsonb_to_recordset(s.doubtful) as u (
    issue_id bigint, text text, place text, kind text, example text)
  join notification n on n.id = s.id
  join notified_issue i on i.notification_id = s.id and i.issue_id = u.issue_id
  where s.state <> 'pending'
  group by i.content_id, s.target_id, u.text, u.place, u.kind
  order by i.content_id, s.target_id, u.text, u.place, u.kind
  on conflict on constraint doubtful_text_pkey do update
  set last_at = greatest(d.last_at, excluded.last_at), times = d.times + excluded.times,
    example_cluster = excluded.example_cluster, example = excluded.example;
end $$;

comment on function ccx.record_doubtful(settled_notification[], timestamptz) is
  'Counts in doubtful_text which values the texts of messages that ended lacked.';
