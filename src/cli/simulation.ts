import type { PoolClient } from "pg";

type Row = Record<string, unknown>;

/** What to print (`total` and `note` only for people), and whether the change changes anything. */
export type Outcome = { rows: Row[]; changes: boolean; total?: Row; note?: string };

/** Whom the change is for. */
export type Scope = { target: string; org?: string | undefined; rule?: string | undefined };

/**
 * Makes the change in the open transaction, which the caller rolls back, and compares the decisions of now: by rule, or
 * (`single`) each, at most `limit` of them.
 */
export async function compareNow(
  client: PoolClient,
  { target, org, rule }: Scope,
  change: Row,
  { single, limit }: { single: boolean; limit: number | null },
): Promise<Outcome> {
  await client.query("select set_policy($1, $2, 'ccx simulate', org_id => $3, rule => $4)", [
    ...[target, JSON.stringify(change), org ?? null, rule ?? null],
  ]);
  const { rows } = await (single ? client.query(singleDecisions, [limit]) : client.query(byRule));
  const { decisions = 0, notify_before = 0, notify = 0 } = rows[0]?.total ?? {};
  for (const row of rows) delete row.total;
  const left = single && decisions > rows.length ? `, of which these are the first ${rows.length}` : "";
  return {
    rows,
    changes: rows.length > 0,
    ...(rows.length > 0 && {
      note: `\n${decisions} decisions would change${left}; notified now: ${notify} instead of ${notify_before} of them. Nothing was kept.`,
    }),
  };
}

// The total stands in each row, so that decisions and total are of one snapshot.
const changed = `with change as materialized (
    select target, org_id, cluster, component, error_key,
      case decision_before when 'hold' then 'hold: ' || array_to_string(reasons_before, ', ') else decision_before end as before,
      case decision when 'hold' then 'hold: ' || array_to_string(reasons, ', ') else decision end as after,
      next_eligible_at_before, next_eligible_at,
      case
        when next_eligible_at is not distinct from next_eligible_at_before then null
        when coalesce(next_eligible_at, '-infinity') > coalesce(next_eligible_at_before, '-infinity') then 'later'
        else 'sooner'
      end as next_eligible
    from explain_diff
  ), total as (
    select jsonb_build_object('decisions', count(*), 'notify_before', count(*) filter (where before = 'notify'),
      'notify', count(*) filter (where after = 'notify')) as total
    from change
  )`;

const byRule = `${changed}
  select target, component, error_key, before, after, next_eligible, count(*)::integer as decisions,
    count(distinct cluster)::integer as clusters, count(distinct org_id)::integer as organizations, total
  from change cross join total
  group by target, component, error_key, before, after, next_eligible, total
  order by decisions desc, component, error_key, target, before, after, next_eligible`;

const singleDecisions = `${changed}
  select change.*, total
  from change cross join total
  order by org_id, cluster, component, error_key, target
  limit $1`;

/** What was (or with the change would have been) sent, day by day; without `to` until now. */
export async function comparePast(
  client: PoolClient,
  { target, from, to }: { target: string; from: string; to?: string | undefined },
  change: Row | undefined,
): Promise<Outcome> {
  const { rows } = await client.query(change ? comparedByDay : byDay, [
    ...[target, from, to ?? null],
    ...(change ? [JSON.stringify(change)] : []),
  ]);
  const differs = ({ issues_before, issues, messages_before, messages, clusters_before, clusters }: Row) =>
    issues_before !== issues || messages_before !== messages || clusters_before !== clusters;
  return {
    rows,
    total: totalOf(rows),
    changes: change === undefined || rows.some(differs),
  };
}

const byDay = `
  select day::text, issues::integer, messages::integer, clusters::integer, organizations::integer
  from backtest($1, $2, coalesce($3::timestamptz, now()))
  order by day`;

const comparedByDay = `
  select day::text, b.issues::integer as issues_before, a.issues::integer, b.messages::integer as messages_before,
    a.messages::integer, b.clusters::integer as clusters_before, a.clusters::integer,
    b.organizations::integer as organizations_before, a.organizations::integer
  from backtest($1, $2, coalesce($3::timestamptz, now())) b
  join backtest($1, $2, coalesce($3::timestamptz, now()), $4) a using (day)
  order by day`;

/** The last line for people. The same cluster may be notified on several days, so clusters are not added up. */
function totalOf(rows: Row[]): Row {
  const sum = (column: string) => rows.reduce((total, row) => total + Number(row[column]), 0);
  return Object.fromEntries(
    Object.keys(rows[0] ?? {}).map((column) => [
      column,
      column === "day" ? "total" : /^(issues|messages)/.test(column) ? sum(column) : null,
    ]),
  );
}
