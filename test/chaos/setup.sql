-- What the chaos run adds to its own database.
create schema chaos;

-- The disk is full while there is a row in it.
create table chaos.full_disk (since timestamptz default now());
create function chaos.refuse() returns trigger language plpgsql as $$
begin
  if exists (select from chaos.full_disk) then
    raise exception 'could not extend file "base/1/1": No space left on device' using errcode = '53100';
  end if;
  return null;
end $$;
do $$
declare
  place regclass;
begin
  -- every table of ours, also one that nobody has thought of here, and the queue
  for place in
    select c.oid from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    union all
    select 'graphile_worker._private_jobs'::regclass
  loop
    execute format(
      'create trigger full_disk before insert or update on %s for each statement execute function chaos.refuse()', place);
  end loop;
end $$;

-- Each row: this cooldown was made to end early, so the issue is to be notified through the target once more.
create table chaos.moved_clock (issue_id bigint not null, target_id integer not null, at timestamptz not null default clock_timestamp());

-- As if time had passed for every parts-th issue that was notified and sent: its whole ledger moves back
-- together, so that the present cooldown ends in five seconds. (In the past, the sweep that is under way
-- would have gone past it already.)
create function chaos.move_clock(parts integer, part integer) returns integer language plpgsql set ccx.rewrite_history = on as $$
declare
  cooling record;
  notified record;
  moved integer := 0;
begin
  for cooling in
    select n.issue_id, n.target_id, upper(n.cooldown_period) - (clock_timestamp() + interval '5 seconds') as shift
    from notified_issue n
    join notification m on m.id = n.notification_id
    where n.live and not n.resolved and m.state = 'sent' and n.issue_id % parts = part
      and upper(n.cooldown_period) > clock_timestamp() + interval '1 minute'
    order by n.issue_id, n.target_id
  loop
    for notified in
      select n.notification_id from notified_issue n
      where n.live and not n.resolved and n.issue_id = cooling.issue_id and n.target_id = cooling.target_id
      order by n.notified_at
    loop
      update notified_issue n
      set notified_at = n.notified_at - cooling.shift,
          cooldown_period = tstzrange(lower(n.cooldown_period) - cooling.shift, upper(n.cooldown_period) - cooling.shift)
      where n.notification_id = notified.notification_id and n.issue_id = cooling.issue_id;
    end loop;
    insert into chaos.moved_clock (issue_id, target_id) values (cooling.issue_id, cooling.target_id);
    moved := moved + 1;
  end loop;
  return moved;
end $$;
