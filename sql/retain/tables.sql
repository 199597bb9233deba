-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table retention is
  'how long each table that grows keeps its rows (set_retention); what a decision may look back at is kept '
  'for longer; a row cannot be deleted';
comment on column retention.parent is
  'the table: new_reports and reported by days; latest_report and workload_report by clusters that stopped '
  'reporting; notification (with the ledger), archive (once its content is gone) and all others by rows';
comment on column retention.keep is
  'how long after its day has ended, or the row was written; notification, occurrence and render_failure are '
  'kept for the longest cooldown on top';
comment on column retention.changed_by is 'who set it';
comment on column retention.changed_at is 'when it was set';
