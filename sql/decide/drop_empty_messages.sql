-- With the rights of the owner: no role of the service may delete from the outbox, whose rows take the ledger
-- along. A message without an issue says nothing to anybody.
create or replace function ccx.drop_empty_messages(ids bigint[]) returns void
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  was text := may_rewrite('on');
begin
  delete from notification n
  where n.id = any (ids) and n.state = 'pending' and n.attempts = 0
    and not exists (select from notified_issue i where i.notification_id = n.id);
  perform may_rewrite(was);
end $$;
revoke execute on function ccx.drop_empty_messages(bigint[]) from public;

comment on function ccx.drop_empty_messages(bigint[]) is
  'Takes these messages out of the outbox as far as the ledger left them without an issue.';
