create or replace function ccx.rejected_to_retry(
  reason text default null, topic text default null, org_id bigint default null, cluster text default null,
  since timestamptz default null, until timestamptz default null, ids bigint[] default null,
  positions text[] default null
) returns table (reason text, messages integer)
language sql stable parallel safe
begin atomic
  select r.reason, count(*)::integer
  from matching_rejected(
    rejected_to_retry.reason, rejected_to_retry.topic, rejected_to_retry.org_id, rejected_to_retry.cluster,
      rejected_to_retry.since, rejected_to_retry.until,
    rejected_to_retry.ids, rejected_to_retry.positions) r
  where r.stored_at is null and not r.headers ? 'ccx-record-batch'
  group by r.reason
  order by 2 desc, 1;
end;

comment on function ccx.rejected_to_retry(text, text, bigint, text, timestamptz, timestamptz, bigint[],
  text[]) is
  'How many messages a retry would try, by reason, most first.';
