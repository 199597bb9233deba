-- Own code: filters are judged inside the decision's query, where no library of expressions runs, and their
-- language is the one of the service before us. Read from left to right once: a regular expression cuts the
-- text into tokens, operators wait on a stack until what follows binds less tightly (the shunting-yard
-- algorithm). Whatever is not understood is refused: a filter that is half understood would hold
-- notifications, or let them through, without anybody knowing.
create or replace function ccx.compile_filter(filter text) returns text[]
language plpgsql immutable strict parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  max_length constant integer := 4000;
  max_depth constant integer := 100;
  variables constant text[] := '{likelihood,impact,severity,totalRisk,likelihoodThreshold,impactThreshold,severityThreshold,totalRiskThreshold}';
  -- the higher binds the tighter; no entry for "(", so nothing takes it off the stack but its ")"
  precedence constant jsonb := '{"neg": 6, "!": 6, "*": 5, "/": 5, "%": 5, "+": 4, "-": 4, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "&&": 2, "||": 1}';
  -- The longest alternative wins, so "/*" alone is a comment without an end, and the last one is what we do
  -- not know. A word that begins with a digit is one token, to be refused as a whole: 0x02, 1.5.
  pattern constant text := '[ \t\r\n]+|//[^\n]*|/[*](?:[^*]|[*]+[^*/])*[*]+/|/[*]|[0-9][0-9A-Za-z_.]*|[A-Za-z_][0-9A-Za-z_]*|[=!<>]=|&&|[|][|]|.';
  compiled text[] := '{}';
  waiting text[] := '{}';
  top integer := 0;
  opened_at integer[] := '{}';
  depth integer := 0;
  token text;
  token_at integer;
  next_at integer := 1;
  is_operand boolean;
  operand_expected boolean := true;
  problem text;
begin
  if length(filter) > max_length then
    raise exception 'the filter has % characters; it may have %', length(filter), max_length
      using errcode = 'NTF01';
  end if;

  for token in select m[1] from regexp_matches(filter, pattern, 'g') m loop
    token_at := next_at;
    next_at := token_at + length(token);
    continue when token ~ '^([ \t\r\n]|//|/[*].)';

    is_operand := token ~ '^[0-9A-Za-z_]';
    problem := case
      when token = '/*' then
        'the comment "/*" does not end'
      when token ~ '^[0-9]' and token !~ '^(0|[1-9][0-9]*)$' then
        format('"%s" is not a decimal number', token)
      when token ~ '^[0-9]' and token::numeric > 9223372036854775807 then
        format('the number "%s" is beyond 64 bits, the largest is 9223372036854775807', token)
      when is_operand and token !~ '^[0-9]' and token <> all (variables) then
        format('there is no variable "%s"; the variables are: %s', token, array_to_string(variables, ', '))
      when not is_operand and token not in ('(', ')') and not precedence ? token then
        format('unknown character "%s"; the operators are: ! * / %% + - == != < <= > >= && ||', token)
      when token = ')' and depth = 0 then
        '")" without a "(" before it'
      when operand_expected and not is_operand and token not in ('-', '!', '(') then
        format('a number or a variable is missing before "%s"', token)
      when not operand_expected and (is_operand or token in ('!', '(')) then
        format('an operator is missing before "%s"', token)
      when token = '(' and depth = max_depth then
        format('"(" is nested deeper than %s', max_depth)
    end;
    exit when problem is not null;

    if is_operand then
      compiled := compiled || token;
      operand_expected := false;
    elsif token = '(' then
      depth := depth + 1;
      opened_at[depth] := token_at;
      top := top + 1;
      waiting[top] := token;
    elsif token = ')' then
      while waiting[top] <> '(' loop
        compiled := compiled || waiting[top];
        top := top - 1;
      end loop;
      top := top - 1;
      depth := depth - 1;
    elsif operand_expected then
      top := top + 1;
      waiting[top] := case token when '-' then 'neg' else token end;
    else
      while precedence -> waiting[top] >= precedence -> token loop
        compiled := compiled || waiting[top];
        top := top - 1;
      end loop;
      top := top + 1;
      waiting[top] := token;
      operand_expected := true;
    end if;
  end loop;

  if problem is null and cardinality(compiled) = 0 and top = 0 then
    raise exception 'the filter is empty' using errcode = 'NTF02';
  end if;
  if problem is null and operand_expected then
    token_at := next_at;
    problem := 'a number or a variable is missing at the end';
  elsif problem is null and depth > 0 then
    token_at := opened_at[depth];
    problem := '"(" without a ")" after it';
  end if;
  if problem is not null then
    raise exception 'the filter cannot be read at position %: %', token_at, problem
      using errcode = 'NTF03';
  end if;
  while top > 0 loop
    compiled := compiled || waiting[top];
    top := top - 1;
  end loop;
  return compiled;
end $$;

comment on function ccx.compile_filter(text) is
  'Reads a filter expression and returns it in postfix order for evaluate_filter(); refuses what it does '
  'not understand and says where.';
