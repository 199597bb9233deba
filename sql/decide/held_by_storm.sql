-- A storm that goes on holds everything it names. One that was dropped holds what had waited: what was open
-- by then, unless it had been notified and its cooldown still ran.
create or replace function ccx.held_by_storm(
  target integer, rule_name text, known_from timestamptz, notified_at timestamptz, cooldown interval,
  at timestamptz
) returns boolean
language sql stable parallel safe
begin atomic
  select exists (
    select from storm s
    where s.target_id = held_by_storm.target
      and coalesce(s.rule_name = held_by_storm.rule_name, s.rule_name is null)
      and s.began_at < held_by_storm.at
      and case
        when coalesce(s.ended_at > held_by_storm.at, true) then true
        when s.released then false
        else held_by_storm.known_from <= s.ended_at
          and coalesce(add_in_utc(held_by_storm.notified_at, held_by_storm.cooldown) <= s.ended_at, true)
      end);
end;

comment on function ccx.held_by_storm(integer, text, timestamptz, timestamptz, interval, timestamptz) is
  'Does a storm hold an occurrence of an issue of this rule, known since known_from and last notified at '
  'notified_at, at this time.';
