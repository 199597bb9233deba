import type { PoolClient } from "pg";
import { below, pick, type Random } from "../../dev/samples/random.ts";
import { addReports, type Row, replaceReport, rows, serviceLog, settle, someContent } from "./builders.ts";
import { setScopedPolicy } from "./policies.ts";

const rules = ["disk", "net", "cpu", "ram"];
const keys = ["A", "B"];
const clusters = ["cluster-1", "cluster-2", "cluster-3"];
const tags = ["osd_customer", "security"];

const some = <T>(random: Random, from: readonly T[]): T[] => from.filter(() => below(random, 2) === 0);
const maybe = <T>(random: Random, given: T): T | null => (below(random, 2) === 0 ? given : null);

function someSettings(random: Random): Row {
  const all: Row = {
    enabled: below(random, 4) > 0,
    total_risk_threshold: below(random, 4),
    impact_threshold: below(random, 3),
    required_tags: below(random, 3) === 0 ? [pick(random, tags)] : [],
    cooldown: pick(random, ["0", "1 hour", "6 hours", "1 day"]),
    max_events: 1 + below(random, 4),
    filter: pick(random, [
      null,
      null,
      "impact + likelihood > 4",
      "4 / (impact - 1) > 1",
      "!(likelihood == 3)",
    ]),
    allowed_clusters: pick(random, [null, null, some(random, clusters)]),
    blocked_clusters: below(random, 3) === 0 ? [pick(random, clusters)] : [],
    spacing: pick(random, ["0", "0", "30 minutes", "3 hours"]),
    flapping_occurrences: 2 + below(random, 3),
    flapping_window: pick(random, ["1 hour", "5 hours"]),
    flapping_action: pick(random, ["notify", "damp"]),
    notify_resolved: below(random, 3) > 0,
  };
  const set = Object.entries(all).filter(() => below(random, 3) === 0);
  return { ...Object.fromEntries(set), receiver_knows_resolved: true };
}

export const randomContent = (random: Random): Row[] =>
  rules.flatMap((rule) =>
    some(random, keys).map((key) =>
      someContent(`${rule}|${key}`, {
        impact: 1 + below(random, 4),
        likelihood: 1 + below(random, 4),
        tags: some(random, tags),
        status: below(random, 8) === 0 ? "inactive" : "active",
      }),
    ),
  );

const randomHits = (random: Random): string[] =>
  some(
    random,
    rules.flatMap((name) => some(random, keys).map((key) => `${name}|${key}`)),
  );

/** A report comes in: of this moment (or two), of a while ago, or the newest one again with other hits. */
async function reportArrives(db: PoolClient, random: Random, at: string): Promise<void> {
  const [org, cluster, hits] = [1 + below(random, 2), pick(random, clusters), randomHits(random)];
  const earlier = (minutes: number) => new Date(Date.parse(at) - minutes * 60_000).toISOString();
  switch (below(random, 8)) {
    case 0:
      return addReports(db, [{ org, cluster, at: earlier(below(random, 200)), arrived: at, hits }]);
    case 1: {
      const [newest] = await rows(db, "select max(updated_at) as at from new_reports where cluster = $1", [
        cluster,
      ]);
      return newest?.at ? replaceReport(db, cluster, String(newest.at), hits, at) : undefined;
    }
    case 2: {
      const before = { org, cluster, at: earlier(1), arrived: at, hits: randomHits(random) };
      return addReports(db, [before, { org, cluster, at, hits }]);
    }
    default:
      return addReports(db, [{ org, cluster, at, hits }]);
  }
}

/**
 * A delivery ends: given up, out, or out although it had been given up; or what ended is redriven or
 * replayed.
 */
async function deliveryEnds(db: PoolClient, random: Random, at: string): Promise<void> {
  switch (below(random, 6)) {
    case 0:
      await db.query("select redrive(array(select id from notification where state = 'dead'), $1)", [at]);
      return;
    case 1:
      await db.query("select replay('-infinity', $1, at => $1)", [at]);
      return;
  }
  const [message] = await rows(
    db,
    "select id, attempts as attempt from notification where state <> 'sent' order by md5(id::text || $1) limit 1",
    [String(below(random, 1000))],
  );
  if (!message) return;
  await db.query("update notification set leased_until = $2 where id = $1 and state = 'pending'", [
    message.id,
    at,
  ]);
  await settle(db, [{ ...message, sent: below(random, 2) === 0, permanent: true, failure: "schema" }], at);
}

/** One thing that happens, at `at`; refusals (a silence that is there already) are part of life. */
export async function somethingHappens(db: PoolClient, random: Random, at: string): Promise<void> {
  const org = 1 + below(random, 2);
  const cluster = pick(random, clusters);
  const rule = pick(random, rules);
  const key = pick(random, keys);
  await db.query("savepoint event");
  try {
    switch (below(random, 12)) {
      case 0: {
        const target = below(random, 2) === 0 ? { target: serviceLog } : {};
        const scope = {
          ...(below(random, 2) === 0 ? { org } : {}),
          ...(below(random, 3) === 0 ? { rule } : {}),
        };
        await setScopedPolicy(db, { ...target, ...scope }, someSettings(random), at);
        break;
      }
      case 1:
        await db.query(
          `select add_silence(ends_at => $1::timestamptz + make_interval(hours => $2), reason => 'for the test',
             org_id => $3, cluster => $4, rule => $5, tag => $6, error_key => $7, at => $1)`,
          [
            ...[at, 1 + below(random, 8), maybe(random, org), maybe(random, cluster)],
            ...[pick(random, [null, rule, `${rule}|${key}`]), pick(random, [null, null, ...tags])],
            pick(random, [null, null, null, key]),
          ],
        );
        break;
      case 2:
        await db.query(
          "select end_silence(id, $1) from silence where in_force @> $1::timestamptz order by id limit 1",
          [at],
        );
        break;
      case 3:
        await db.query("insert into rule_disable values ($1, $2, $3, 'known', $4)", [
          ...[String(org), `x.${rule}.report`, pick(random, ["", key]), at],
        ]);
        break;
      case 4:
        await db.query(
          `insert into cluster_rule_toggle (cluster_id, rule_id, error_key, org_id, disabled, disabled_at)
           values ($1, $2, $3, $4, 1, $5)`,
          [cluster, rule, pick(random, ["", key]), pick(random, ["0", String(org)]), at],
        );
        break;
      case 5:
        await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = $1 where disabled = 1", [
          at,
        ]);
        break;
      case 6:
        await deliveryEnds(db, random, at);
        break;
      default:
        await reportArrives(db, random, at);
    }
  } catch (error) {
    // NT…: refused with a sentence; 23505: it is in the aggregator's table already
    if (!(error instanceof Error && "code" in error && /^(NT...|23505)$/.test(String(error.code))))
      throw error;
    await db.query("rollback to savepoint event");
  }
}
