import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, mulberry32, pick, type Random } from "../../src/dev/random.ts";
import { addReports, loadContent, type Row, rows, serviceLog, someContent } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const seen = new Set<string>();
const histories = 5;
const steps = 40;

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
  };
  return Object.fromEntries(Object.entries(all).filter(() => below(random, 3) === 0));
}

/** One thing that happens, at `at`; refusals (a silence that is there already) are part of life. */
async function happens(db: PoolClient, random: Random, at: string): Promise<void> {
  const org = 1 + below(random, 2);
  const cluster = pick(random, clusters);
  const rule = pick(random, rules);
  const key = pick(random, keys);
  await db.query("savepoint event");
  try {
    switch (below(random, 9)) {
      case 0:
        await setScopedPolicy(
          db,
          {
            ...(below(random, 2) === 0 ? { target: serviceLog } : {}),
            ...(below(random, 2) === 0 ? { org } : {}),
            ...(below(random, 3) === 0 ? { rule } : {}),
          },
          someSettings(random),
          at,
        );
        break;
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
        await db.query(
          "update notification set state = 'dead', ended_at = $1 where id = (select max(id) from notification)",
          [at],
        );
        await db.query(
          "update notified_issue set live = false where notification_id in (select id from notification where state = 'dead')",
        );
        break;
      default: {
        const hits = rules.flatMap((name) => some(random, keys).map((one) => `${name}|${one}`));
        await addReports(db, [{ org, cluster, at, hits: some(random, hits) }]);
      }
    }
  } catch (error) {
    // 22023: refused with a sentence; 23505: it is in the aggregator's table already
    if (!(error instanceof Error && "code" in error && /^(22023|23505)$/.test(String(error.code))))
      throw error;
    await db.query("rollback to savepoint event");
  }
}

const randomContent = (random: Random): Row[] =>
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

const notify = (db: PoolClient, at: string) =>
  rows(
    db,
    `select d.target_id, d.issue_id, d.policy_id, d.content_id
     from event_targets t cross join lateral decide(t.id, $1) d
     join decision_due due on due.org_id = d.org_id and due.cluster = d.cluster
     where d.decision = 'notify' order by 1, 2`,
    [at],
  );

const toldAt = (db: PoolClient, at: string) =>
  rows(
    db,
    "select target_id, issue_id, policy_id, content_id from notified_issue where told_at = $1 order by 1, 2",
    [at],
  );

const tooLarge = `select n.id from notification n join notified_issue i on i.notification_id = n.id
  join policy p on p.id = i.policy_id group by n.id having count(*) > min(p.max_events)`;

const hour = (nth: number) =>
  new Date(Date.parse("2026-03-01T00:00:00Z") + nth * 1_800_000).toISOString().replace(".000Z", "Z");

test(`what explain says is to be told is exactly what the next decision tells (SEED=${seed})`, async () => {
  const random = mulberry32(seed);
  let count = 0;
  for (let history = 0; history < histories; history++) {
    await rolledBack(database.pool, async (db) => {
      await loadContent(db, randomContent(random), "2026-02-01");
      await setScopedPolicy(db, { target: serviceLog }, { enabled: true, required_tags: [] }, "2026-02-01");
      for (let step = 1; step <= steps; step++) {
        const [at, what] = [hour(step), `history ${history}, step ${step} of SEED=${seed}`];
        for (let n = 0; n <= below(random, 3); n++) await happens(db, random, at);
        if (below(random, 10) === 0) await loadContent(db, randomContent(random), at);
        await db.query(
          "insert into decision_due select org_id, cluster from latest_report on conflict do nothing",
        );
        const expected = await notify(db, at);
        await db.query("select decide_due(100, $1)", [at]);
        assert.deepEqual(await toldAt(db, at), expected, what);
        assert.deepEqual(
          await rows(db, tooLarge),
          [],
          `${what}: no message is larger than a policy of it allows`,
        );
        count += expected.length;
      }
      const given = await rows(db, "select distinct unnest(reasons) as reason from decide(1, $1)", [
        hour(steps),
      ]);
      for (const { reason } of given) seen.add(String(reason));
    });
  }
  assert.ok(count > histories * 5, `only ${count} were told`);
  assert.ok(seen.size > 5, `the histories met only ${[...seen]}`);
});
