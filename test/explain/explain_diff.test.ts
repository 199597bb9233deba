import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { aReport, loadContent, type Row, rows, someContent, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const content = ["disk", "net", someContent("low", { impact: 1, likelihood: 1, tags: ["osd_customer"] })];

/**
 * Two organizations with a cluster each, notified of disk and net an hour ago; net may be notified again in
 * one.
 */
async function aScene(db: PoolClient): Promise<void> {
  await loadContent(db, content);
  await setScopedPolicy(db, { org: 2, rule: "net" }, { cooldown: "30 minutes" }, "2026-02-01");
  await db.query(
    `insert into new_reports (org_id, cluster, updated_at, report, received_at)
     select org, 'cluster-' || org, now() - interval '1 hour', $1, now() - interval '1 hour' from unnest('{1,2}'::bigint[]) org`,
    [aReport("disk", "net", "low")],
  );
  await db.query("delete from decision_request");
  await db.query("select decide_due(100, now() - interval '1 hour')");
}

/** What would change, as `org rule: before → after`, of the notifications backend. */
async function changes(db: PoolClient): Promise<string[]> {
  const found = await rows(
    db,
    `select format('%s %s: %s → %s', org_id, rule_name(component),
         array_to_string(decision_before || reasons_before, ' '), array_to_string(decision || reasons, ' ')) as change
     from explain_diff where target = 'notifications backend' order by 1`,
  );
  return found.map(({ change }) => String(change));
}

const written = (db: PoolClient): Promise<Row[]> =>
  rows(
    db,
    `select 'notification' as what, to_jsonb(n) as row from notification n
     union all select 'notified_issue', to_jsonb(n) from notified_issue n
     union all select 'decision_due', to_jsonb(d) from decision_due d
     union all select 'reported', to_jsonb(r) from reported r
     union all select 'job', to_jsonb(j) from graphile_worker._private_jobs j
     order by 1, 2`,
  );

const notified = "hold cooldown";

test("without a change nothing would change", () =>
  rolledBack(database.pool, async (db) => {
    await aScene(db);
    assert.deepEqual(await changes(db), []);
    assert.equal(await value(db, "select count(*)::integer from explain_diff"), 0);
    assert.equal(await value(db, "select count(*)::integer from explain_notification"), 12);
  }));

const whatIf: [what: string, change: string, values: unknown[], expected: string[]][] = [
  [
    "a shorter cooldown frees what it holds, but for who has a policy of their own",
    `select set_policy('notifications backend', '{"cooldown": "30 minutes"}', 'what if')`,
    [],
    [`1 disk: ${notified} → notify`, `1 net: ${notified} → notify`, `2 disk: ${notified} → notify`],
  ],
  [
    "a longer cooldown holds the same, longer",
    `select set_policy('notifications backend', '{"cooldown": "30 days"}', 'what if', org_id => 1, rule => 'net')`,
    [],
    [`1 net: ${notified} → ${notified}`],
  ],
  [
    "a lower threshold lets through, a policy of an organization only its own",
    `select set_policy('notifications backend', '{"total_risk_threshold": 0}', 'what if', org_id => 2)`,
    [],
    ["2 low: hold below_threshold → notify"],
  ],
  [
    "a policy that ends gives way to the wider one",
    "select end_policy('notifications backend', 'what if', org_id => 2, rule => 'net')",
    [],
    [`2 net: notify → ${notified}`],
  ],
  [
    "a silence adds its reason",
    "select add_silence(now() + interval '1 hour', 'what if', org_id => 2, rule => 'net')",
    [],
    ["2 net: notify → hold silenced"],
  ],
  [
    "content changes what it is about",
    "select load_content($1)",
    [
      JSON.stringify([
        someContent("disk"),
        someContent("low", { impact: 4, likelihood: 4, tags: ["osd_customer"] }),
      ]),
    ],
    [
      "1 low: hold below_threshold → notify",
      `1 net: ${notified} → hold no_content cooldown`,
      "2 low: hold below_threshold → notify",
      "2 net: notify → hold no_content",
    ],
  ],
  [
    "an acknowledgement adds its reason",
    "insert into rule_disable (org_id, rule_id, error_key) values ('2', 'x.net.report', 'KEY')",
    [],
    ["2 net: notify → hold acked"],
  ],
  [
    "a rule that is switched off for a cluster, too",
    `insert into cluster_rule_toggle (cluster_id, rule_id, error_key, disabled, disabled_at)
     values ('cluster-1', 'net', 'KEY', 1, now())`,
    [],
    [`1 net: ${notified} → hold disabled cooldown`],
  ],
];
for (const [what, change, values, expected] of whatIf) {
  test(`what if: ${what}; and nothing is sent`, () =>
    rolledBack(database.pool, async (db) => {
      await aScene(db);
      const before = await written(db);
      await db.query("savepoint only_to_try");
      await db.query(change, values);
      assert.deepEqual(await changes(db), expected);
      assert.deepEqual(await written(db), before);
      await db.query("rollback to savepoint only_to_try");
      assert.deepEqual(await written(db), before);
      assert.deepEqual(await changes(db), []);
    }));
}

test("several changes add up, and a change for another target shows there", () =>
  rolledBack(database.pool, async (db) => {
    await aScene(db);
    await db.query(`select set_policy('service log', '{"enabled": true}', 'what if'),
      set_policy('notifications backend', '{"total_risk_threshold": 0}', 'what if'),
      add_silence(now() + interval '1 hour', 'what if', cluster => 'cluster-1')`);
    assert.deepEqual(await changes(db), [
      `1 disk: ${notified} → hold silenced cooldown`,
      "1 low: hold below_threshold → hold silenced",
      `1 net: ${notified} → hold silenced cooldown`,
      "2 low: hold below_threshold → notify",
    ]);
    assert.deepEqual(
      await rows(
        db,
        `select org_id, decision_before, decision, reasons, policy_id <> policy_id_before as by_another
         from explain_diff where target = 'service log' and error_key = 'KEY' and rule_name(component) = 'low' order by 1`,
      ),
      [
        { org_id: "1", decision_before: "hold", decision: "hold", reasons: ["silenced"], by_another: true },
        { org_id: "2", decision_before: "hold", decision: "notify", reasons: [], by_another: true },
      ],
    );
  }));

test("the times at which an issue may be notified again are compared, too", () =>
  rolledBack(database.pool, async (db) => {
    await aScene(db);
    await db.query(`select set_policy('notifications backend', '{"cooldown": "30 days"}', 'what if')`);
    assert.deepEqual(
      await rows(
        db,
        `select distinct (next_eligible_at_before - now())::text as before, (next_eligible_at - now())::text as after
         from explain_diff where target = 'notifications backend'`,
      ),
      [{ before: "6 days 23:00:00", after: "29 days 23:00:00" }],
    );
  }));

test("what is to be notified as gone has no decision without the policy that asks for it", () =>
  rolledBack(database.pool, async (db) => {
    await aScene(db);
    await setScopedPolicy(
      db,
      { org: 1 },
      { notify_resolved: true, receiver_knows_resolved: true },
      "2026-02-01",
    );
    await db.query(
      `insert into new_reports (org_id, cluster, updated_at, report, received_at)
       values (1, 'cluster-1', now() - interval '1 minute', '{"reports": []}', now() - interval '1 minute')`,
    );
    await db.query("select end_policy('notifications backend', 'what if', org_id => 1)");
    assert.deepEqual(await changes(db), ["1 disk: notify → ", "1 net: notify → "]);
  }));

test("what a policy changes is found whole in its own scope", () =>
  rolledBack(database.pool, async (db) => {
    await aScene(db);
    const scopes: { org?: number; rule?: string }[] = [
      {},
      { org: 2 },
      { rule: "x.net.report" },
      { org: 1, rule: "disk" },
    ];
    for (const target of ["notifications backend", "service log"])
      for (const { org = null, rule = null } of scopes) {
        const scope = [target, org, rule];
        await db.query("savepoint only_to_try");
        await db.query(
          `select set_policy($1, '{"blocked_clusters": ["cluster-1", "cluster-2"]}', 'what if',
             org_id => $2, rule => $3)`,
          scope,
        );
        const all = await rows(db, "select * from explain_diff_by_rule");
        const scoped = await rows(db, "select * from ccx.diff_by_rule($1, $2, $3)", scope);
        assert.notDeepEqual(scoped, [], `nothing changes for ${scope}`);
        assert.deepEqual(sorted(scoped), sorted(all));
        const listed = await rows(db, "select * from ccx.changed_decisions(null, $1, $2, $3)", scope);
        assert.equal(
          listed.length,
          all.reduce((sum, { decisions }) => sum + Number(decisions), 0),
        );
        await db.query("rollback to savepoint only_to_try");
      }
  }));

const sorted = (some: Row[]): string[] => some.map((row) => JSON.stringify(row)).sort();
