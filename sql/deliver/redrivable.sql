-- What is at hand: one row for each different answer, with the messages that have it.
create or replace function redrivable(
  target text default null, org_id bigint default null, cluster text default null, failure text default null,
  since timestamptz default null, notification_id bigint default null
) returns table (target text, failure text, refusal text, messages integer, notification_ids bigint[])
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select d.target, d.failure, d.refusal, count(*)::integer,
    array_agg(d.notification_id order by d.notification_id)
  from dead_letter d
  where (redrivable.target is null or d.target = (
      select t.name from event_targets t where t.id = target_id(redrivable.target)))
    and (redrivable.org_id is null or d.org_id = redrivable.org_id)
    and (redrivable.cluster is null or d.cluster = lower(redrivable.cluster))
    and (redrivable.failure is null or d.failure = redrivable.failure)
    and (redrivable.since is null or d.ended_at >= redrivable.since)
    and (redrivable.notification_id is null or d.notification_id = redrivable.notification_id)
  group by d.target, d.failure, d.refusal
  order by min(d.notification_id);
$$;

comment on function redrivable(text, bigint, text, text, timestamptz, bigint) is
  'What redrive() would find: messages that were given up, counted by target, failure and why they cannot '
  'be redriven (null: they can). All that is given narrows it; since: given up at that time or later.';
