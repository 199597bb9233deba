import type pg from "pg";
import { type Options, type Report, result } from "./report.ts";
import { openBenchDatabase } from "./support/bench_database.ts";
import { fillWeek, type Week } from "./support/week.ts";

const fleet = 65_000;

/**
 * What a week of reports takes on disk, with indexes and what is compressed beside the table, in our tables
 * and in the incumbent's: 2,600 clusters, times `scale`, that report every two hours. Every row of a cluster
 * is its own, so what 65,000 clusters take is that many times as much; only `rule` and the like do not grow,
 * and they are tiny.
 */
export async function run({ scale }: Options): Promise<Report> {
  await using database = await openBenchDatabase();
  const { client, machine } = database;
  const week: Week = { clusters: Math.max(50, Math.round(2_600 * scale)), rounds: 7 * 12, bytes: 2_000 };
  await fillWeek(client, week);
  return { ...(await sizes(client, week)), machine };
}

/**
 * What there is: rows, and bytes of tables. The incumbent runs eight times between two reports of a cluster.
 */
export async function sizes(client: pg.ClientBase, { clusters }: Week): Promise<Omit<Report, "machine">> {
  const { rows } = await client.query<Record<string, string>>(
    `select
       (select count(*) from new_reports) as reports,
       (select sum(jsonb_array_length(report::jsonb -> 'reports')) from new_reports) as hits,
       (select count(*) from occurrence) as occurrences,
       (select count(*) from notification) as notifications,
       (select count(*) from reported) as reported,
       (select sum(length(report)) from new_reports) as characters`,
  );
  const count = Object.fromEntries(
    Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]),
  );
  const { reports = 0, hits = 0, occurrences = 0, notifications = 0, reported = 0, characters = 0 } = count;
  const bytes = await bytesOf(client);
  const of = (...tables: string[]) => tables.reduce((sum, table) => sum + (bytes.get(table) ?? 0), 0);
  const all = [...bytes].reduce((sum, [table, size]) => sum + (table.startsWith("incumbent.") ? 0 : size), 0);
  const stored = of("incumbent.new_reports");
  const run = of("incumbent.reported");
  const each = (name: string, figure: number, unit = "bytes") => result(name, unit, [figure]);
  const week = (size: number) => each("", (size * fleet) / clusters / 1e9, "GB").median;
  return {
    results: [
      each("reports", reports, "rows"),
      each("hits in a report", hits / reports, "hits"),
      each("text of a report", characters / reports, "characters"),
      each("new_reports, for each report", of("new_reports") / reports),
      each("reported, for each report", of("reported") / reports),
      each("reported, for each row", of("reported") / reported),
      each(
        "latest_report, issue and occurrence, for each hit",
        of("latest_report", "issue", "occurrence") / hits,
      ),
      each("issue and occurrence, for each occurrence", of("issue", "occurrence") / occurrences),
      each(
        "notification and notified_issue, for each notification",
        of("notification", "notified_issue") / notifications,
      ),
      each("everything, for each report", all / reports),
      each("incumbent: new_reports, for each report", stored / reports),
      each("incumbent: reported, for each report", run / reports),
      each(`a week of ${fleet.toLocaleString("en")} clusters`, week(all), "GB"),
      each(`incumbent: a week of ${fleet.toLocaleString("en")} clusters`, week(stored + run), "GB"),
    ],
    ratios: {
      vs_incumbent: all / (stored + run),
      // as if it ran only once for each report, for each of the two targets
      vs_incumbent_running_once: all / (stored + (2 * run) / 8),
    },
  };
}

/**
 * Bytes on disk of each table, its partitions, indexes and out-of-line values included; ours without their
 * schema.
 */
async function bytesOf(client: pg.ClientBase): Promise<Map<string, number>> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `select case when n.nspname = 'public' then '' else n.nspname || '.' end
         || regexp_replace(c.relname, '_([0-9]{8}|default)$', '') as name,
       sum(pg_total_relation_size(c.oid)) as bytes
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('public', 'incumbent') and c.relkind = 'r'
     group by 1`,
  );
  return new Map(rows.map(({ name, bytes }) => [name, Number(bytes)]));
}
