-- import_reported() gives a cluster of which nothing else is known its report back. Here a cluster without
-- one is none: that report goes again.
create or replace function ccx.follow_tables(target text, out reread integer, out forgotten integer,
  out imported integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  unknown reported[];
begin
  -- two passes at once: the second finds what the first did
  perform pg_advisory_xact_lock(hashtext('ccx.follow_tables'));
  reread := reread_reports();
  forgotten := forget_notified(follow_tables.target, clock_timestamp());
  unknown := array(
    select r
    from reported r
    where r.state = 1 and r.notified_at > now() - longest_cooldown()
      and not exists (select from new_reports n where n.org_id = r.org_id and n.cluster = lower(r.cluster)));
  select i.issues into imported from import_reported(clock_timestamp()) i;
  delete from new_reports n
  using unnest(unknown) u
  where n.org_id = u.org_id and n.cluster = lower(u.cluster) and n.updated_at = u.updated_at;
end $$;

comment on function ccx.follow_tables(text) is
  'Brings issues and ledger in step with new_reports and reported, whoever changed them; returns clusters '
  'that were read again, issues that count as notified no more, and issues that count as notified now.';
