create or replace function ccx.newest_rejected() returns bigint
language sql stable parallel safe
return (select coalesce(max(r.id), 0) from rejected_message r);

comment on function ccx.newest_rejected() is 'The number of the newest rejected message; 0: there is none.';
