-- A type, so that the steps of rename_rule() can hand occurrences to each other in a variable.
create type ccx.moved_occurrence as (
  issue_id bigint,
  occurrence integer,
  is_last boolean,
  new_issue_id bigint,
  new_occurrence integer,
  opened_at timestamptz,
  closed_at timestamptz,
  known_from timestamptz,
  known_until timestamptz
);

comment on type ccx.moved_occurrence is
  'an occurrence of an issue that becomes one with another, and the occurrence that it is a part of then';
comment on column ccx.moved_occurrence.issue_id is 'the issue before';
comment on column ccx.moved_occurrence.occurrence is 'its occurrence before';
comment on column ccx.moved_occurrence.is_last is
  'whether it is the last part of the occurrence that it becomes';
comment on column ccx.moved_occurrence.new_issue_id is 'the issue that stays';
comment on column ccx.moved_occurrence.new_occurrence is 'which occurrence of that';
comment on column ccx.moved_occurrence.opened_at is 'when the whole occurrence began';
comment on column ccx.moved_occurrence.closed_at is 'when the whole occurrence ended; null: it is open';
comment on column ccx.moved_occurrence.known_from is 'when its beginning was known';
comment on column ccx.moved_occurrence.known_until is 'when its end was known';
