import { gunzipSync } from "node:zlib";
import type { KafkaMessage } from "kafkajs";
import type { Pool } from "pg";
import { report } from "../../src/cli.ts";
import { loadConfig } from "../../src/config/config.ts";
import { readContent } from "../../src/content/source/read.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createPool } from "../../src/db/pool.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { portionsOf } from "../../src/ingest/portions.ts";
import { createLogger } from "../../src/log.ts";
import { sampleContent } from "./content.ts";
import { sampleMessages } from "./samples.ts";

const firstDay = Date.UTC(2026, 2, 2, 12);
const days = 7;
const dayMs = 86_400_000;
const stepMs = 30 * 60_000;

/** The clock of the sample data stands at the end of it: a Monday at noon (UTC). */
export const sampleNow = "2026-03-09T12:00:00Z";

/** What people did in that week: a time and, for a shift of it, a statement. */
const deeds: [string, (shift: number) => string][] = [
  ["2026-03-02T09:00Z", () => `select set_policy('service log', '{"enabled": true}', 'go-live', $1)`],
  [
    "2026-03-03T10:00Z",
    () => `insert into rule_disable (org_id, rule_id, error_key, justification, created_at)
     values ('1001', 'ccx_rules_ocp.external.rules.image_registry_pv_no_access', 'ERROR_KEY', 'known, accepted', $1)`,
  ],
  [
    "2026-03-04T09:00Z",
    () =>
      `select set_policy('notifications backend', '{"cooldown": "1 day"}', 'they asked for it', $1, org_id => 1003)`,
  ],
  [
    "2026-03-06T08:00Z",
    (shift) => {
      const end = new Date(Date.parse("2026-03-10T08:00Z") + shift).toISOString();
      return `select add_silence('${end}', 'planned maintenance', org_id => 1002, rule => 'nodes_kubelet_version_check', at => $1)`;
    },
  ],
];

/**
 * Fills a migrated, empty database with a week of the sample data, as the service would have done it: reports
 * come in, are decided on and delivered every half an hour of a clock that is simulated, so that the same is
 * stored every time (but for the ids of messages and the jitter of retries). On Thursday more clusters join,
 * on Tuesday the Service Log refuses what it is sent, and on the last morning it is down.
 * @param later how much later than in March 2026 all of it happens, in whole days
 * @param said is told each day, since it takes a while
 */
export async function fillSampleWeek(
  pool: Pool,
  { later = 0, said = () => undefined }: { later?: number; said?: (day: string) => void } = {},
): Promise<void> {
  const shift = later * dayMs;
  await pool.query("select load_content($1::jsonb, $2)", [
    JSON.stringify((await readContent(sampleContent)).content),
    new Date(Date.parse("2026-03-01T00:00Z") + shift).toISOString(),
  ]);
  const reports = messagesOfTheWeek(firstDay + shift);
  const waiting = deeds.map(([time, sql]) => ({ at: Date.parse(time) + shift, sql: sql(shift) }));
  for (let at = firstDay + shift - dayMs; at <= Date.parse(sampleNow) + shift; at += stepMs) {
    if (at % dayMs === 0) said(new Date(at).toISOString().slice(0, 10));
    const time = new Date(at).toISOString();
    for (; waiting[0] && waiting[0].at <= at; waiting.shift())
      await pool.query(waiting[0].sql, [new Date(waiting[0].at).toISOString()]);
    for (const entries of portionsOf(reports.get(at) ?? [], 1000, () => new Date(at)))
      await pool.query("select ccx.ingest('ccx.ocp.results', 0, $1::jsonb, null, $2)", [
        `[${entries.map(({ json }) => json).join(",")}]`,
        time,
      ]);
    await pool.query("select ccx.sweep($1)", [time]);
    await pool.query("select ccx.decide_due(10000, $1)", [time]);
    for (const target of ["notifications backend", "service log"])
      await deliver(pool, target, time, new Date(at - shift).toISOString());
  }
  await pool.query("delete from graphile_worker._private_jobs");
}

/** Every day brings the same clusters and the same problems again, by the half hour in which they arrive. */
function messagesOfTheWeek(firstDay: number): Map<number, KafkaMessage[]> {
  const byTime = new Map<number, KafkaMessage[]>();
  for (let day = 0; day <= days; day++) {
    const now = new Date(firstDay + day * dayMs);
    let at = now.getTime() - dayMs;
    const joined = day >= 4 ? sampleMessages({ reports: 60, seed: 2, now }) : [];
    for (const { key, value } of [...sampleMessages({ reports: 140, seed: 1, now }), ...joined]) {
      const [, checked] = /"LastChecked":"([^"]+)"/.exec(textOf(value)) ?? [];
      // what says no time that can be believed arrives with the one before it
      const arrival = Math.ceil(Date.parse(checked ?? "") / stepMs) * stepMs;
      if (arrival <= now.getTime()) at = arrival;
      const messages = byTime.get(at) ?? [];
      byTime.set(at, messages);
      messages.push({
        ...{ key: key === null ? null : Buffer.from(key), value, timestamp: String(at), attributes: 0 },
        ...{ offset: "", headers: {} },
      });
    }
  }
  let offset = 0;
  for (const [, messages] of [...byTime].sort(([a], [b]) => a - b))
    for (const message of messages) message.offset = String(offset++);
  return byTime;
}

function textOf(value: Buffer): string {
  return (value[0] === 0x1f ? gunzipSync(value) : value).toString();
}

/** Everything gets through, but for what the Service Log does not take. */
async function deliver(pool: Pool, target: string, at: string, inMarch: string): Promise<void> {
  const { rows } = await pool.query(
    "select id, attempt from ccx.claim_notifications($1, 1000, '2 minutes', $2)",
    [target, at],
  );
  if (rows.length === 0) return;
  const failure = target === "service log" ? failureAt(inMarch) : undefined;
  const outcomes = rows.map(({ id, attempt }) => ({
    ...{ id, attempt, sent: failure === undefined, retry_after_ms: null },
    ...failure,
  }));
  await pool.query("select ccx.settle_notifications($1::jsonb, $2)", [JSON.stringify(outcomes), at]);
}

function failureAt(at: string): { failure: string; error: string; permanent: boolean } | undefined {
  if (at.startsWith("2026-03-09T1"))
    return { failure: "server", error: "Service Log answered 503", permanent: false };
  if (at.startsWith("2026-03-06T06"))
    return { failure: "schema", error: "The entry names a cluster that is unknown", permanent: true };
  return undefined;
}

/**
 * `npm run samples`: migrates the database of DATABASE_URL and fills it, unless it has reports. The week ends
 * at the last noon; with --fixed it is that of the documents. Retention leaves it alone.
 */
async function main(): Promise<void> {
  const fixed = process.argv.includes("--fixed");
  const config = loadConfig({ env: process.env });
  if (config.databaseUrl === undefined)
    throw new ConfigurationError("DATABASE_URL is not set; npm run stack prints one.");
  const { databaseUrl } = config;
  const log = createLogger("warn");
  await migrate(databaseUrl, log);
  const pool = createPool({ databaseUrl, size: 1, name: "ccx samples", log });
  try {
    const { rowCount } = await pool.query("select from new_reports limit 1");
    if (rowCount)
      throw new ConfigurationError(
        "The database of DATABASE_URL has reports already: nothing was filled in.",
      );
    const later = fixed ? 0 : Math.floor((Date.now() - Date.parse(sampleNow)) / dayMs);
    await fillSampleWeek(pool, { later, said: (day) => console.error(`… ${day}`) });
    await pool.query("select set_retention(parent, '100 years') from retention where parent <> 'worker'");
    const clock = new Date(Date.parse(sampleNow) + later * dayMs).toISOString();
    console.log(
      `The sample week is filled in; its clock stands at ${clock}. docs/guides/questions.md has what to ask${fixed ? "" : " (its answers are those of --fixed)"}.`,
    );
  } finally {
    await pool.end();
  }
}

if (process.argv[1] === import.meta.filename)
  await main().catch((error) => {
    process.exitCode = report(error);
  });
