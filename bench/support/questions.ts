import { readFile } from "node:fs/promises";
import type pg from "pg";
import { examplesOf } from "../../test/support/page.ts";
import { someClusters } from "./changed_clusters.ts";

const page = new URL("../../docs/guides/questions.md", import.meta.url);

/** What stands in the page's examples, whose clock stands at noon of this day. */
const sample = {
  now: Date.parse("2026-03-09T12:00:00Z"),
  cluster: "01a85af0-4245-43dc-afc8-350f28108df8",
  org: 1003,
};
const oneReport = "explain_report(1001, '01a85af0-4245-43dc-afc8-350f28108df8', '2026-03-09 09:13:13.263Z')";

/** Whom a question is about; in its place stands the sample's cluster and organization. */
type About = "one cluster" | "one organization" | "the fleet" | "settings";
/** For each question of the page. A question that is not here is an error. */
const abouts: Record<string, About> = {
  "Why did this customer get nothing?": "one cluster",
  "What became of this one report?": "one cluster",
  "What did we know on Tuesday at noon?": "the fleet",
  "What was this customer notified last week?": "one organization",
  "What would a 3-day cooldown have sent last week?": "the fleet",
  "What would this change of policy do?": "the fleet",
  "Which rules are loudest?": "the fleet",
  "Which issues come and go?": "the fleet",
  "Who silenced this, and what does it hold?": "the fleet",
  "Who changed the policy, when, and why?": "settings",
  "What waits, and what is dead?": "the fleet",
  "Is the state kept from report to report right?": "the fleet",
};

/** A cluster with its organization and the time of its newest report. */
export type Who = { org: string; cluster: string; at: string };

export type Question = {
  title: string;
  about: About;
  /**
   * Its statements, the one that answers last, with the times moved to the fleet's present. A transaction
   * that it undoes is the caller's.
   */
  statements(who?: Who): string[];
};

/**
 * The questions of docs/guides/questions.md, as they stand there, for the fleet (fleet.ts) of this database.
 */
export async function questions(client: pg.ClientBase): Promise<Question[]> {
  const { rows } = await client.query<{ ms: number }>(
    "select extract(epoch from cooldowns_until)::float8 * 1000 as ms from sweep_mark",
  );
  const now = rows[0]?.ms ?? Date.now();
  return examplesOf(await readFile(page, "utf8")).map(({ title, sql }) => {
    const about = abouts[title];
    if (!about) throw new Error(`who is “${title}” about? bench/support/questions.ts has to know`);
    const asked = sql.replaceAll(/^(begin|rollback);$/gm, "");
    return {
      title,
      about,
      statements: (who) =>
        moved(asked, now, who)
          .split(/;\s*$/m)
          .filter((it) => it.trim()),
    };
  });
}

/** So many clusters from all over the fleet, the same ones for the same seed. */
export async function someWho(client: pg.ClientBase, count: number, seed: string): Promise<Who[]> {
  const { rows } = await client.query<Who>(
    `select org_id::text as org, cluster, to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
     from latest_report where cluster = any ($1)`,
    [await someClusters(client, count, seed)],
  );
  return rows;
}

function moved(sql: string, now: number, who?: Who): string {
  const time = (text: string) => new Date(Date.parse(text) - sample.now + now).toISOString();
  return sql
    .replaceAll(oneReport, `explain_report(${who?.org ?? 0}, '${who?.cluster}', '${who?.at}')`)
    .replaceAll(sample.cluster, who?.cluster ?? sample.cluster)
    .replaceAll(`org_id = ${sample.org}`, `org_id = ${who?.org ?? sample.org}`)
    .replaceAll(
      /'(2026-03-\d\d)( \d\d:\d\dZ)?'/g,
      (_, day, hour) => `'${time(`${day}${hour ?? " 00:00Z"}`)}'`,
    );
}
