create or replace function ccx.follow_tables(target text, out reread integer, out forgotten integer,
  out imported integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  -- two passes at once: the second finds what the first did
  perform pg_advisory_xact_lock(hashtext('ccx.follow_tables'));
  reread := reread_reports();
  forgotten := forget_notified(follow_tables.target, clock_timestamp());
  select i.issues into imported from import_reported(clock_timestamp(), known_only => true) i;
end $$;

comment on function ccx.follow_tables(text) is
  'Brings issues and ledger in step with new_reports and reported, whoever changed them; returns clusters '
  'that were read again, issues that count as notified no more, and issues that count as notified now.';
