create or replace function ccx.use_acceptance(at timestamptz) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  update content_guard set accepted_until = null where accepted_until > use_acceptance.at;
  return found;
end $$;

comment on function ccx.use_acceptance(timestamptz) is
  'True when a person has agreed to the next load of content that would be refused; that was it then.';
