-- A rule has several spellings, so no key of the table keeps two people from acknowledging it at once.
create or replace function ccx.lock_acknowledgements(org_id bigint) returns void
language sql volatile
begin atomic
  select pg_advisory_xact_lock(hashtextextended('acknowledgements', lock_acknowledgements.org_id));
end;

comment on function ccx.lock_acknowledgements(bigint) is
  'Lets those who acknowledge rules for an organization take turns, until the transaction ends: what one '
  'asks after it sees what the other wrote.';
