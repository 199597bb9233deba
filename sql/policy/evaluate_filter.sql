-- Arithmetic is that of 64 bits, which wraps around. numeric holds every result in between, so wrapping is
-- one step at the end instead of an exception to catch in each operator. Both sides of && and || are
-- evaluated: a division by zero shows at the first content, not at the first content that gets that far. It
-- is not raised: workers of a parallel query could not catch it before PostgreSQL 17.
create or replace function ccx.evaluate_filter(
  compiled text[],
  likelihood bigint,
  impact bigint,
  severity bigint,
  total_risk bigint,
  likelihood_threshold bigint,
  impact_threshold bigint,
  severity_threshold bigint,
  total_risk_threshold bigint
) returns bigint
language plpgsql immutable strict parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  two_63 constant numeric := 9223372036854775808;
  two_64 constant numeric := 18446744073709551616;
  stack bigint[] := '{}';
  top integer := 0;
  token text;
  a bigint;
  b bigint;
  value numeric;
begin
  foreach token in array compiled loop
    a := stack[top - 1];
    b := stack[top];
    if b = 0 and token in ('/', '%') then
      return null;
    end if;
    value := case token
      when '*' then a::numeric * b
      when '/' then div(a, b)
      when '%' then mod(a, b)
      when '+' then a::numeric + b
      when '-' then a::numeric - b
      when '==' then (a = b)::integer
      when '!=' then (a <> b)::integer
      when '<' then (a < b)::integer
      when '<=' then (a <= b)::integer
      when '>' then (a > b)::integer
      when '>=' then (a >= b)::integer
      when '&&' then (a <> 0 and b <> 0)::integer
      when '||' then (a <> 0 or b <> 0)::integer
      when 'neg' then - b::numeric
      when '!' then (b = 0)::integer
      when 'likelihood' then likelihood
      when 'impact' then impact
      when 'severity' then severity
      when 'totalRisk' then total_risk
      when 'likelihoodThreshold' then likelihood_threshold
      when 'impactThreshold' then impact_threshold
      when 'severityThreshold' then severity_threshold
      when 'totalRiskThreshold' then total_risk_threshold
      else token::bigint
    end;
    top := top + case
      when token in ('neg', '!') then 0
      when token ~ '^[0-9a-zA-Z]' then 1
      else -1
    end;
    stack[top] := case
      when value >= -two_63 and value < two_63 then value
      else mod(mod(value, two_64) + two_64 + two_63, two_64) - two_63
    end;
  end loop;
  return stack[1];
end $$;

comment on function ccx.evaluate_filter(text[], bigint, bigint, bigint, bigint, bigint, bigint, bigint,
  bigint) is
  'The value of a filter for one issue; it lets the issue through when the value is greater than 0; null: '
  'it divides by zero. compiled is what compile_filter() returned.';
