-- 2 s, 4 s, 8 s … up to 15 minutes, each between three quarters and five quarters of it, so that messages
-- that failed together do not all come back together.
create or replace function ccx.retry_delay(attempts integer) returns interval
language sql volatile parallel safe
return least(interval '2 seconds' * 2 ^ least(attempts - 1, 20),
  interval '15 minutes') * (0.75 + random() / 2);

comment on function ccx.retry_delay(integer) is
  'How long to wait after this many failed attempts, with jitter.';
