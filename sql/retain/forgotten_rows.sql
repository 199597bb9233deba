-- Spelled as other programs may have written it, too. The row of an archive goes only after its content, so
-- it is not deleted before that; who counts beforehand counts it all the same.
create or replace function ccx.forgotten_rows(
  place cluster_table, has_org boolean, has_cluster boolean, with_contents boolean
) returns text
language sql stable
return 'select t.ctid from ' || place.name || ' t where ' ||
  case when place.by_issue then
    'exists (select from issue i where i.id = t.issue_id'
    || case when has_org then ' and i.org_id = $1' else '' end
    || case when has_cluster then ' and i.cluster = any ($2)' else '' end || ')'
  else concat_ws(' and ',
    case when has_org then place.org end,
    case
      when not has_cluster then null
      -- by the index of its archives: row by row, every upload there is would be read for each cluster
      when place.name = 'upload_message'
        then 't.archive_id = any (array(select a.archive_id from archive a where a.cluster = any ($2)))'
      else place.cluster || ' = any ($2)'
    end,
    case when place.name = 'archive' and not with_contents then 't.removed_at is not null' end)
  end;

comment on function ccx.forgotten_rows(cluster_table, boolean, boolean, boolean) is
  'The query of the rows (ctid) of a place that belong to the organization $1, the cluster $2 (its '
  'spellings), or both; with those of archives whose contents are still kept, or without.';
