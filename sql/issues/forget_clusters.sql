-- For whoever empties new_reports and fills it anew, with reports that may be older: what is known of these
-- clusters is set aside, so that their next report counts as their first. Issues close, and keep their
-- history.
create or replace function ccx.forget_clusters(clusters text[]) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  at timestamptz;
  forgotten integer;
begin
  delete from latest_report l where l.cluster = any (forget_clusters.clusters);
  get diagnostics forgotten = row_count;
  at := clock_timestamp();
  with closed as (
    update issue i
    set closed_at = greatest(at, i.opened_at)
    where i.cluster = any (forget_clusters.clusters) and i.closed_at is null
    returning i.id, i.occurrence
  )
  update occurrence o
  set closed_at = greatest(at, o.opened_at), known_until = greatest(at, o.known_from)
  from closed c
  where o.issue_id = c.id and o.occurrence = c.occurrence and o.closed_at is null;
  return forgotten;
end $$;

comment on function ccx.forget_clusters(text[]) is
  'Closes the issues of these clusters and forgets which report was their newest; the next one counts as the '
  'first. Returns how many rows of latest_report that were.';
