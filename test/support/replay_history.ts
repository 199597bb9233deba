import type { PoolClient } from "pg";
import { below, pick, type Random } from "../../dev/samples/random.ts";
import { aReport, loadContent, type Row, rows, serviceLog, someContent } from "./builders.ts";
import { addSilence, disableRule, endPolicy, endSilence, setScopedPolicy, toggleRule } from "./policies.ts";

/** Rules, clusters and tags of random histories. */
const rules = ["disk", "net", "cpu", "ram"];
const keys = ["A", "B"];
const clusters = ["cluster-1", "cluster-2", "cluster-3", "cluster-4"];
const tags = ["osd_customer", "security"];

/** The clock of random histories: two moments in every half hour, 7 and 23 minutes apart. */
export function moment(nth: number): string {
  const minutes = Math.floor(nth / 2) * 30 + (nth % 2) * 7;
  return new Date(Date.parse("2026-03-01T00:00:00Z") + minutes * 60_000).toISOString();
}

/** What a history may contain: issues notified as gone and spacing do not go together in a replay. */
export type Traits = { resolved: boolean };

const some = <T>(random: Random, from: readonly T[]): T[] => from.filter(() => below(random, 2) === 0);
const oneIn = (random: Random, limit: number): boolean => below(random, limit) === 0;

/** All waits are multiples of half an hour, so that they end at a moment of the clock. */
function someSettings(random: Random, { resolved }: Traits): Row {
  const all: Row = {
    enabled: !oneIn(random, 5),
    total_risk_threshold: below(random, 4),
    impact_threshold: below(random, 3),
    required_tags: oneIn(random, 3) ? [pick(random, tags)] : [],
    cooldown: pick(random, ["0", "30 minutes", "2 hours", "6 hours", "1 day", "1 month -28 days"]),
    max_events: 1 + below(random, 4),
    filter: pick(random, [null, null, "impact + likelihood > 4", "4 / (impact - 1) > 1"]),
    allowed_clusters: pick(random, [null, null, some(random, clusters)]),
    blocked_clusters: oneIn(random, 3) ? [pick(random, clusters)] : [],
    flapping_occurrences: 2 + below(random, 2),
    flapping_window: pick(random, ["1 hour", "6 hours"]),
    flapping_action: pick(random, ["notify", "damp"]),
    ...(resolved
      ? { notify_resolved: oneIn(random, 2) }
      : { spacing: pick(random, ["0", "30 minutes", "3 hours"]) }),
  };
  const set = Object.entries(all).filter(() => oneIn(random, 3));
  return { ...Object.fromEntries(set), receiver_knows_resolved: true };
}

const someScope = (random: Random) => ({
  ...(oneIn(random, 2) ? { target: serviceLog } : {}),
  ...(oneIn(random, 2) ? { org: 1 + below(random, 2) } : {}),
  ...(oneIn(random, 3) ? { rule: pick(random, rules) } : {}),
});

/** Random content of some of the rules, often of little risk. */
export const someRules = (random: Random): Row[] =>
  rules
    .flatMap((rule) => some(random, [...keys, ...keys].slice(0, 3)).map((key) => ({ rule, key })))
    .filter(({ rule, key }, nth, all) => all.findIndex((a) => a.rule === rule && a.key === key) === nth)
    .map(({ rule, key }) =>
      someContent(`${rule}|${key}`, {
        impact: 1 + below(random, 4),
        likelihood: 1 + below(random, 4),
        tags: some(random, tags),
        status: oneIn(random, 8) ? "inactive" : "active",
      }),
    );

/** Something that people do at `at`; what is refused (a silence that is there already) changes nothing. */
export async function someChange(db: PoolClient, random: Random, at: string, traits: Traits): Promise<void> {
  const rule = pick(random, rules);
  const key = pick(random, keys);
  const cluster = pick(random, clusters);
  const ends_at = new Date(Date.parse(at) + (1 + below(random, 20)) * 1_800_000).toISOString();
  await db.query("savepoint event");
  try {
    switch (below(random, 8)) {
      case 0:
      case 1:
        await setScopedPolicy(db, someScope(random), someSettings(random, traits), at);
        break;
      case 2:
        await endPolicy(db, someScope(random), at);
        break;
      case 3:
        await addSilence(
          db,
          {
            ends_at,
            ...(oneIn(random, 2) ? { org_id: 1 + below(random, 2) } : {}),
            ...(oneIn(random, 2) ? { cluster } : {}),
            ...pick(random, [{ rule }, { rule: `${rule}|${key}` }, { tag: pick(random, tags) }]),
          },
          at,
        );
        break;
      case 4: {
        const open = await rows(db, "select id from silence where in_force @> $1::timestamptz order by id", [
          at,
        ]);
        if (open.length > 0) await endSilence(db, pick(random, open).id, at);
        break;
      }
      case 5:
        await toggleRule(db, cluster, rule, pick(random, ["", key]), { disabled_at: at });
        break;
      case 6:
        await db.query(
          `update cluster_rule_toggle set disabled = 0, enabled_at = $1
           where ctid = (select ctid from cluster_rule_toggle where disabled = 1 order by cluster_id, rule_id limit 1)`,
          [at],
        );
        break;
      default:
        if (oneIn(random, 2)) await loadContent(db, someRules(random), at);
        else if (oneIn(random, 4)) await disableRule(db, 1 + below(random, 2), `x.${rule}.report`, key, at);
    }
  } catch (error) {
    // NT…: refused with a sentence; 23505: it is in the aggregator's table already
    if (!(error instanceof Error && "code" in error && /^(NT...|23505)$/.test(String(error.code))))
      throw error;
    await db.query("rollback to savepoint event");
  }
}

const stored = `insert into new_reports (org_id, cluster, updated_at, report, received_at)
  select *, $5 from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) on conflict do nothing`;

/**
 * Reports of some clusters arrive at `at`, one or two of a cluster at once, a few of them late, a few
 * unreadable. A cluster keeps silent for a long time now and then. Returns how many there were.
 */
export async function someReports(db: PoolClient, random: Random, at: string): Promise<number> {
  const day = Date.parse(at) / 86_400_000;
  const reports = clusters.flatMap((cluster, nth) => {
    if (!oneIn(random, 4) || Math.floor(day + nth / 3) % (2 + nth) === 1) return [];
    return Array.from({ length: oneIn(random, 6) ? 2 : 1 }, () => ({
      org: 1 + (nth % 2),
      cluster,
      at: new Date(Date.parse(at) - (oneIn(random, 3) ? below(random, 300) * 60_000 : 0)).toISOString(),
      report: oneIn(random, 20)
        ? "{"
        : aReport(...rules.flatMap((rule) => some(random, keys).map((key) => `${rule}|${key}`))),
    }));
  });
  if (reports.length === 0) return 0;
  await db.query(stored, [
    reports.map(({ org }) => org),
    reports.map((one) => one.cluster),
    reports.map((one) => one.at),
    reports.map(({ report }) => report),
    at,
  ]);
  return reports.length;
}

/** Decides for whoever waits, until nobody does. */
export async function decideAll(db: PoolClient, at: string): Promise<void> {
  const waiting = `select exists (select from decision_due)
    or exists (select from decision_request where due_at <= $1) as waiting`;
  while ((await rows(db, waiting, [at]))[0]?.waiting) await db.query("select decide_due(1000, $1)", [at]);
}
