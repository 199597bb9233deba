import { readFile } from "node:fs/promises";
import type pg from "pg";
import { type Example, examplesOf } from "../test/support/page.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { rolledBack, someClusters } from "./support/changed_clusters.ts";
import { openFleet } from "./support/kept_fleet.ts";

const page = new URL("../docs/sql.md", import.meta.url);
const asked = 50;
const runs = 3;
/** A question about the fleet that takes longer than this is given up. */
const mostMs = 120_000;

/** What stands in the page's examples, whose clock stands at noon of this day. */
const sample = {
  now: Date.parse("2026-03-09T12:00:00Z"),
  cluster: "2c6cfda8-f539-4f1b-a077-0fcbae146875",
  org: 1003,
};
const oneReport =
  "explain_report(1001, '2c6cfda8-f539-4f1b-a077-0fcbae146875', '2026-03-06 01:40:47.216981Z')";

type Kind = "one cluster" | "one organization" | "the fleet" | "settings";
/** Whom each question of the page is about; a question that is not here ends the benchmark. */
const kinds: Record<string, Kind> = {
  "Why did this customer get nothing?": "one cluster",
  "What became of this one report?": "one cluster",
  "What did we know on Tuesday at noon?": "the fleet",
  "What was this customer told last week?": "one organization",
  "What would a 3-day cooldown have sent last week?": "the fleet",
  "What would this change of policy do?": "the fleet",
  "Which rules are loudest?": "the fleet",
  "Which issues come and go?": "the fleet",
  "Who silenced this, and what does it hold?": "the fleet",
  "Who changed the policy, when, and why?": "settings",
  "What is stuck, and what was given up?": "the fleet",
  "Is the state kept from report to report right?": "the fleet",
};

/** The twelve questions of docs/sql.md, as they stand there, to a fleet of 1,000,000 clusters, times `scale`. */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(300, Math.round(1_000_000 * scale));
  await using servers = await openBenchServers({ kafka: false });
  await using fleet = await openFleet(servers, clusters);
  await using client = await connect(fleet.url);
  const machine = { ...(await settings(client)), clusters };
  const { rows } = await client.query<{ at: Date }>("select cooldowns_until as at from sweep_mark");
  const now = rows[0]?.at.getTime() ?? Date.now();
  const results: Result[] = [];
  const ratios: Record<string, number> = {};
  for (const example of examplesOf(await readFile(page, "utf8"))) {
    const kind = kinds[example.title];
    if (!kind) throw new Error(`who is “${example.title}” about? bench/sql.ts has to know`);
    const figure =
      kind === "the fleet" || kind === "settings"
        ? await askFleet(client, example, now, kind)
        : await askMany(client, example, now, kind);
    results.push(figure);
    if (figure.unit === "ms, given up") ratios.given_up = (ratios.given_up ?? 0) + 1;
  }
  return { results, ratios, machine };
}

/** The example with the times moved to the fleet's present, and its cluster, organization and report instead of the sample's. */
function askedOf(sql: string, now: number, who?: { org: string; cluster: string; at: string }): string {
  const moved = (text: string) => new Date(Date.parse(text) - sample.now + now).toISOString();
  return sql
    .replaceAll(oneReport, `explain_report(${who?.org ?? 0}, '${who?.cluster}', '${who?.at}')`)
    .replaceAll(sample.cluster, who?.cluster ?? sample.cluster)
    .replaceAll(`org_id = ${sample.org}`, `org_id = ${who?.org ?? sample.org}`)
    .replaceAll(
      /'(2026-03-\d\d)( \d\d:\d\dZ)?'/g,
      (_, day, time) => `'${moved(`${day}${time ?? " 00:00Z"}`)}'`,
    );
}

/** Half of the answers about single clusters, or organizations, came within this. */
async function askMany(client: pg.Client, { title, sql }: Example, now: number, kind: Kind): Promise<Result> {
  const clusters = await someClusters(client, asked, title);
  const { rows } = await client.query<{ org: string; cluster: string; at: string }>(
    `select org_id::text as org, cluster, to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
     from latest_report where cluster = any ($1)`,
    [clusters],
  );
  const figures: number[] = [];
  // the first ones fill the caches
  for (const [nth, who] of [...rows.slice(0, 10), ...rows].entries()) {
    const start = performance.now();
    await client.query(askedOf(sql, now, who));
    if (nth >= 10) figures.push(performance.now() - start);
  }
  return result(`${kind}: ${title}`, "ms", figures);
}

async function askFleet(
  client: pg.Client,
  { title, sql }: Example,
  now: number,
  kind: Kind,
): Promise<Result> {
  const statement = askedOf(sql.replaceAll(/^(begin|rollback);$/gm, ""), now);
  const figures: number[] = [];
  let givenUp = false;
  for (let run = 0; run <= runs && !givenUp; run++) {
    const start = performance.now();
    await rolledBack(client, async () => {
      await client.query(`set local statement_timeout = ${mostMs}`);
      await client.query(statement);
    }).catch((error) => {
      if (error.code !== "57014") throw error;
      givenUp = true;
    });
    const ms = performance.now() - start;
    // what takes long is asked once, the rest once more to begin with
    if (run > 0 || ms > 20_000) figures.push(ms);
    if (ms > 20_000) break;
  }
  return result(`${kind}: ${title}`, givenUp ? "ms, given up" : "ms", figures);
}
