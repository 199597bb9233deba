create or replace function ccx.begin_portion(
  topic text,
  partition integer,
  high_watermark bigint default null,
  expected_offset bigint default null
) returns table (first_offset bigint, was_behind boolean)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  insert into consumer_offset (topic, partition, next_offset)
  values (begin_portion.topic, begin_portion.partition, 0)
  on conflict do nothing;

  -- fences out a consumer that lost its partition but does not know it yet
  select o.next_offset, o.is_behind into first_offset, was_behind
  from consumer_offset o
  where o.topic = begin_portion.topic and o.partition = begin_portion.partition
  for update;

  if begin_portion.high_watermark < first_offset then
    raise exception
      'topic % partition % ends at offset %, but offset % is expected next: the topic was created anew',
      begin_portion.topic, begin_portion.partition, begin_portion.high_watermark, first_offset
      using errcode = 'NTI01',
        hint = format('when that is so: delete from consumer_offset where topic = %L and partition = %s',
          begin_portion.topic, begin_portion.partition);
  end if;

  -- a failover or a restored backup has taken back what the caller believes to be stored
  if begin_portion.expected_offset > first_offset then
    raise exception
      'topic % partition % is at offset % in the database, but was at % before: it lost what it had',
      begin_portion.topic, begin_portion.partition, first_offset, begin_portion.expected_offset
      using errcode = 'NTI02',
        hint = format('read the partition again from offset %s', first_offset);
  end if;
  return next;
end $$;

comment on function ccx.begin_portion(text, integer, bigint, bigint) is
  'Locks the offset of a partition for the transaction that stores a portion of it; returns where it stands. '
  'Raises NTI01: topic created anew; NTI02: the database is behind expected_offset.';
