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

-- The store of archives takes nothing while there is a row in it.
create table chaos.store_refuses (since timestamptz default now());
create function chaos.refuse_archive() returns trigger language plpgsql as $$
begin
  if exists (select from chaos.store_refuses) then
    raise exception 'could not write to the store' using errcode = '58030';
  end if;
  return null;
end $$;
create trigger store_refuses before insert on archive_chunk
  for each statement execute function chaos.refuse_archive();

-- How the rule behaves that does not always behave well; test/chaos/rules.ts reads it.
create table chaos.rule_mood (mood text not null);
insert into chaos.rule_mood values ('well');

-- When rules were suspended, and until when.
create table chaos.suspended (rule text not null, since timestamptz not null default clock_timestamp(), until timestamptz);
create function chaos.note_suspension() returns trigger language plpgsql as $$
begin
  if old.suspended_at is null and new.suspended_at is not null then
    insert into chaos.suspended (rule) values (new.name);
  elsif old.suspended_at is not null and new.suspended_at is null then
    update chaos.suspended set until = clock_timestamp() where rule = new.name and until is null;
  end if;
  return null;
end $$;
create trigger note_suspension after update on sql_rule for each row execute function chaos.note_suspension();

-- Uploads that were accepted and whose analysis has not failed, until their result is stored: at which step they are.
create view chaos.upload_under_way as
select * from (
  select a.request_id, a.received_at, case
    when m.due_at is not null then 'announced'
    when j.id is null then 'taken'
    when j.state = 'waiting' then 'analyzed'
    when j.state = 'analyzed' then 'published'
    when j.state = 'published' and j.result_offset >= coalesce((
      select o.next_offset from consumer_offset o
      where o.topic = j.result_topic and o.partition = j.result_partition), 0) then 'stored' end as waits_to_be
  from archive a
  left join upload_message m on m.archive_id = a.archive_id and m.kind = 'announcement'
  left join analysis j on j.org_id = a.org_id and j.request_id = a.request_id) u
where u.waits_to_be is not null;

-- Statements that insert more than a few rows take too long while there is a row in it.
create table chaos.times_out (since timestamptz default now());
create function chaos.take_too_long() returns trigger language plpgsql as $$
begin
  if exists (select from chaos.times_out) and (select count(*) from inserted) > 3 then
    raise exception 'canceling statement due to statement timeout' using errcode = '57014';
  end if;
  return null;
end $$;
create trigger times_out after insert on new_reports referencing new table as inserted
  for each statement execute function chaos.take_too_long();
create trigger times_out after insert on analysis referencing new table as inserted
  for each statement execute function chaos.take_too_long();
create trigger times_out after insert on notified_issue referencing new table as inserted
  for each statement execute function chaos.take_too_long();

-- While there is a row in it, one cluster in seven cannot be notified.
create table chaos.poison (since timestamptz default now());
create function chaos.refuse_cluster() returns trigger language plpgsql as $$
begin
  if hashtext(new.cluster) % 7 = 0 and exists (select from chaos.poison) then
    raise exception 'somebody refuses this cluster' using errcode = '23514';
  end if;
  return new;
end $$;
create trigger poison before insert on notification for each row execute function chaos.refuse_cluster();

-- An organization acknowledges every rule, and switches each off for its clusters.
create function chaos.acknowledge(org bigint) returns void language sql as $$
  insert into rule_disable (org_id, rule_id, error_key, justification)
  select org::text, c.python_module, c.error_key, 'chaos' from rule_content c where upper_inf(c.validity)
  on conflict do nothing;
  insert into cluster_rule_toggle (cluster_id, rule_id, error_key, disabled, disabled_at)
  select l.cluster, c.python_module, c.error_key, 1, now()
  from latest_report l cross join rule_content c where l.org_id = org and upper_inf(c.validity)
  on conflict do nothing;
$$;

-- As on the first sweep of a day that nobody has prepared: the newest day to come has no partitions yet. Never
-- today: where no sweep has prepared anything, that is the newest one, and has reports.
create function chaos.forget_a_day() returns void language plpgsql as $$
declare
  part regclass;
begin
  for part in
    select max(i.inhrelid::regclass::text collate "C")::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('new_reports'::regclass, 'reported'::regclass) and c.relname ~ '_[0-9]{8}$'
      and right(c.relname, 8) > to_char(now() at time zone 'UTC', 'YYYYMMDD')
    group by i.inhparent
  loop
    execute format('drop table %s', part);
  end loop;
end $$;

-- Each row: this cooldown was made to end early, so the issue is to be notified through the target once more.
create table chaos.moved_clock (issue_id bigint not null, target_id integer not null, at timestamptz not null default clock_timestamp());

-- As if time had passed for every parts-th issue that was notified and sent: its whole ledger moves back
-- together, so that the present cooldown ends in twenty seconds. (In the past, the sweep that is under way
-- would have gone past it already; for the same reason, what was moved is committed at once.)
create procedure chaos.move_clock(parts integer, part integer) language plpgsql as $$
declare
  cooling record;
  notified record;
  ends_at timestamptz := 'infinity';
begin
  perform set_config('ccx.rewrite_history', 'on', false);
  for cooling in
    select n.issue_id, n.target_id, upper(n.cooldown_period) as ended_at
    from notified_issue n
    join notification m on m.id = n.notification_id
    where n.live and not n.resolved and m.state = 'sent' and n.issue_id % parts = part
      and upper(n.cooldown_period) > clock_timestamp() + interval '1 minute'
    order by n.issue_id, n.target_id
  loop
    if ends_at = 'infinity' or ends_at < clock_timestamp() + interval '19 seconds' then
      commit;
      ends_at := clock_timestamp() + interval '20 seconds';
    end if;
    for notified in
      select n.notification_id from notified_issue n
      where n.live and not n.resolved and n.issue_id = cooling.issue_id and n.target_id = cooling.target_id
      order by n.notified_at
    loop
      update notified_issue n
      set notified_at = n.notified_at - (cooling.ended_at - ends_at),
          cooldown_period = tstzrange(lower(n.cooldown_period) - (cooling.ended_at - ends_at), upper(n.cooldown_period) - (cooling.ended_at - ends_at))
      where n.notification_id = notified.notification_id and n.issue_id = cooling.issue_id;
    end loop;
    insert into chaos.moved_clock (issue_id, target_id) values (cooling.issue_id, cooling.target_id);
  end loop;
  perform set_config('ccx.rewrite_history', '', false);
end $$;
