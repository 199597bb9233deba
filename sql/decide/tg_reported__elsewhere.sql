-- What another program sends starts our cooldown at once where we know the rules. It shall never fail because
-- of us: what cannot be imported now waits in reported_elsewhere for the next decision about its cluster.
create or replace function ccx.tg_reported__elsewhere() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
begin
  insert into reported_elsewhere (org_id, cluster, notified_at, target_id)
  values (new.org_id, new.cluster, new.notified_at, new.event_type_id)
  on conflict do nothing;
  if is_shadow() then
    return null;
  end if;
  begin
    -- the other one's clock may be a little ahead
    perform import_reported(least(greatest(now(), new.notified_at), now() + interval '5 minutes'),
      array[lower(new.cluster)]);
  exception when others then
    raise log 'what another program notified % of is imported later: %', new.cluster, sqlerrm;
  end;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_reported__elsewhere() from public;

comment on function ccx.tg_reported__elsewhere() is
  'Trigger of reported: what another program sent (state 1) is in its cooldown for us, too.';
