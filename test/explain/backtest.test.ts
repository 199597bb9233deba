import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { type Arrival, arrivals, backtest, hour, steadily, tells } from "../support/backtests.ts";
import { aCluster, loadContent, type Row, rows, serviceLog, someContent } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, endPolicy, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const none = "0 0 0 0";
const content = [
  "disk",
  "net",
  "cpu",
  someContent("low", { impact: 1, likelihood: 1, tags: ["osd_customer"] }),
];

const scene = (work: (db: PoolClient) => Promise<void>) => () =>
  rolledBack(database.pool, async (db) => {
    await db.query("set local statement_timeout = '20s'");
    await loadContent(db, content);
    await work(db);
  });

test(
  "it counts issues, messages, clusters and organizations, day by day",
  scene(async (db) => {
    const [one, two, other] = [aCluster(), aCluster(), aCluster()];
    await arrivals(
      db,
      [1, one, ["disk", "net", "low"]],
      [5, two, ["disk"]],
      [23.5, other, ["disk"], 2],
      [24, one, ["disk", "net", "cpu"]],
      [50, one, []],
    );
    assert.deepEqual(await backtest(db), ["4 3 3 2", "1 1 1 1", none, none]);
    const days = "select day::text from backtest($1, '2026-03-01 12:00Z', '2026-03-03 00:00Z')";
    assert.deepEqual(await rows(db, days, ["notifications backend"]), [
      { day: "2026-03-01" },
      { day: "2026-03-02" },
    ]);
    assert.deepEqual(
      await backtest(db, null, { from: 5, to: 24 }),
      ["2 2 2 2"],
      "from its first moment, not its last",
    );
  }),
);

for (const zone of ["Pacific/Kiritimati", "America/St_Johns"]) {
  test(
    `its days are those of UTC, also in ${zone}`,
    scene(async (db) => {
      await db.query(`set local timezone = '${zone}'`);
      await arrivals(
        db,
        [23.9, aCluster(), ["disk"]],
        [24, aCluster(), ["disk"]],
        [24.1, aCluster(), ["disk"]],
      );
      assert.deepEqual(await backtest(db, null, { to: 48 }), ["1 1 1 1", "2 2 2 1"]);
    }),
  );
}

test(
  "what does not fit into one message goes into more",
  scene(async (db) => {
    await arrivals(
      db,
      [1, aCluster(), ["disk", "net", "cpu"]],
      [1, aCluster(), ["disk"]],
      [2, aCluster(), ["disk", "net"]],
    );
    assert.deepEqual(await backtest(db, null, { to: 24 }), ["6 3 3 1"]);
    assert.deepEqual(await backtest(db, { max_events: 2 }, { to: 24 }), ["6 4 3 1"]);
    assert.deepEqual(await backtest(db, { max_events: 1 }, { to: 24 }), ["6 6 3 1"]);
  }),
);

test(
  "a shorter cooldown tells more often, a longer one less",
  scene(async (db) => {
    await arrivals(db, ...steadily(aCluster(), ["disk"], 6, 0, 96));
    assert.deepEqual(await backtest(db), ["1 1 1 1", none, none, none]);
    assert.deepEqual(await backtest(db, { cooldown: "1 day" }), Array(4).fill("1 1 1 1"));
    assert.deepEqual(await backtest(db, { cooldown: "2 days" }), ["1 1 1 1", none, "1 1 1 1", none]);
    assert.deepEqual(await backtest(db, { cooldown: "12 hours" }), Array(4).fill("2 2 1 1"));
    assert.deepEqual(await backtest(db, { cooldown: "0" }), Array(4).fill("4 4 1 1"), "with every report");
    assert.deepEqual(await tells(db, { cooldown: "5 hours" }, { to: 12 }), [
      "0 disk",
      "5.03 disk",
      "10.07 disk",
    ]);
    assert.deepEqual(await tells(db, { cooldown: "1 day" }, { from: 1 }), ["24 disk", "48 disk", "72 disk"]);
    assert.deepEqual(await tells(db, { cooldown: "1 day" }, { from: 30, to: 60 }), ["30 disk", "54 disk"]);
  }),
);

test(
  "without reports time alone tells again only what has a cooldown, and of a silent cluster nothing",
  scene(async (db) => {
    const cluster = aCluster();
    await addSilence(db, { rule: "net", ends_at: hour(10) }, hour(0));
    await arrivals(db, [0, cluster, ["disk", "net"]], [60, cluster, ["disk"]]);
    assert.deepEqual(
      await tells(db, { cooldown: "0" }),
      ["0 disk", "10.03 net", "60 disk"],
      "10 is no report",
    );
    await setScopedPolicy(db, { rule: "net" }, { enabled: false }, "2026-02-01");
    assert.deepEqual(
      await tells(db, { cooldown: "10 hours" }),
      ["0", "10.03", "20.07", "60", "70.03", "80.07"].map((at) => `${at} disk`),
    );
  }),
);

test(
  "other thresholds, tags, clusters and filters let other issues through",
  scene(async (db) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await arrivals(db, [1, cluster, ["disk", "low"]], [2, other, ["disk"]]);
    const cases: [Row, string[]][] = [
      [{}, ["1 disk", "2 disk"]],
      [{ total_risk_threshold: 0 }, ["1 disk", "1 low", "2 disk"]],
      [{ total_risk_threshold: 4 }, []],
      [{ impact_threshold: 4 }, []],
      [{ required_tags: ["osd_customer"], total_risk_threshold: 0 }, ["1 low"]],
      [{ filter: "impact < 2 || likelihood > 3" }, ["1 low"]],
      [{ blocked_clusters: [cluster.toUpperCase()] }, ["2 disk"]],
      [{ allowed_clusters: [cluster] }, ["1 disk"]],
      [{ enabled: false }, []],
    ];
    for (const [policy, expected] of cases) {
      assert.deepEqual(await tells(db, policy), expected, JSON.stringify(policy));
    }
    assert.deepEqual(await tells(db, null, { target: 2 }), [], "it was off");
    assert.deepEqual(await tells(db, { enabled: true, total_risk_threshold: 0 }, { target: 2 }), ["1 low"]);
    assert.deepEqual(
      await backtest(db, { enabled: true, required_tags: [] }, { target: serviceLog, to: 24 }),
      ["3 3 2 1"],
    );
  }),
);

test(
  "another filter takes the place of the one that there was",
  scene(async (db) => {
    await setScopedPolicy(db, {}, { filter: "impact < 2" }, "2026-02-01");
    await arrivals(db, [1, aCluster(), ["disk", "low"]]);
    assert.deepEqual(await tells(db, null), ["1 low"]);
    assert.deepEqual(await tells(db, { filter: "impact > 2" }), ["1 disk"]);
    assert.deepEqual(await tells(db, { filter: null }), ["1 disk"]);
  }),
);

test(
  "where no target was on, an issue is notified when it appeared",
  scene(async (db) => {
    await setScopedPolicy(db, {}, { enabled: false }, "2026-02-01");
    const cluster = aCluster();
    await arrivals(db, [1, cluster, ["disk"]], [3, cluster, ["disk", "net"]], [30, cluster, ["net"]]);
    assert.deepEqual(await backtest(db), [none, none, none, none]);
    assert.deepEqual(await tells(db, { enabled: true }), ["1 disk", "3 net"]);
  }),
);

test(
  "a policy of an organization or a rule stays in force beside the change",
  scene(async (db) => {
    await setScopedPolicy(db, { rule: "net" }, { total_risk_threshold: 4 }, "2026-02-01");
    await arrivals(db, [1, aCluster(), ["disk", "net"]]);
    assert.deepEqual(await tells(db, { total_risk_threshold: 0 }), ["1 disk"]);
  }),
);

const policiesBefore: Record<string, (db: PoolClient) => Promise<unknown>> = {
  "only that of the target": async () => {},
  "one of its own": (db) => setScopedPolicy(db, { org: 1 }, { cooldown: "2 days" }, "2026-02-01"),
  "one of its own that ends on the way": async (db) => {
    await setScopedPolicy(db, { org: 1 }, { total_risk_threshold: 4 }, "2026-02-01");
    await endPolicy(db, { org: 1 }, hour(30));
  },
  "one of another organization": (db) => setScopedPolicy(db, { org: 2 }, { enabled: false }, "2026-02-01"),
  "one of a rule": (db) => setScopedPolicy(db, { rule: "net" }, { total_risk_threshold: 4 }, "2026-02-01"),
  "one of its own for a rule": (db) =>
    setScopedPolicy(db, { org: 1, rule: "net" }, { cooldown: "6 hours" }, "2026-02-01"),
  "a target that is off": (db) => setScopedPolicy(db, {}, { enabled: false }, "2026-02-01"),
};
for (const [which, set] of Object.entries(policiesBefore)) {
  test(
    `what is tried for one organization is what it would have got; policies: ${which}`,
    scene(async (db) => {
      const [mine, other] = [aCluster(), aCluster()];
      const week = async () => {
        const also = steadily(other, ["disk", "low"], 6, 0, 96).map(
          ([at, cluster, hits]): Arrival => [at + 1, cluster, hits, 2],
        );
        await arrivals(db, ...steadily(mine, ["disk", "net", "low"], 6, 0, 96), ...also);
      };
      await set(db);
      for (const change of [
        { cooldown: "1 day" },
        { total_risk_threshold: 0 },
        { enabled: false },
        { max_events: 1 },
      ]) {
        await db.query("savepoint before");
        await week();
        const tried = await backtest(db, change, { org: 1 });
        const changes = JSON.stringify(
          await rows(db, "select * from compare_backtest($1, $2, $3, $4, 1)", [
            ...["notifications backend", hour(0), hour(96), JSON.stringify(change)],
          ]),
        );
        await db.query("rollback to before");
        // the policy that it would have had
        if (which.endsWith("on the way")) {
          await db.query("set local session_replication_role = replica");
          await db.query(
            `update policy set validity = tstzrange('2026-02-01', null), cooldown = $1, total_risk_threshold = $2,
               enabled = $3, max_events = $4 where org_id = 1`,
            [
              ...[change.cooldown ?? "7 days", change.total_risk_threshold ?? 4, change.enabled ?? true],
              change.max_events ?? 100,
            ],
          );
          await db.query("set local session_replication_role = default");
          await setScopedPolicy(
            db,
            { org: 1 },
            { total_risk_threshold: change.total_risk_threshold ?? 2 },
            hour(30),
          );
        } else await setScopedPolicy(db, { org: 1 }, change, "2026-02-02");
        await week();
        const real = await backtest(db, null, { org: 1 });
        assert.deepEqual(tried, real, JSON.stringify(change));
        assert.match(changes, /"issues_before"/);
        await db.query("rollback to before");
      }
    }),
  );
}

test(
  "a backtest only reads",
  scene(async (db) => {
    await arrivals(db, ...steadily(aCluster(), ["disk", "net"], 6, 0, 48));
    await db.query("set transaction read only");
    assert.deepEqual(await backtest(db, { cooldown: "1 day", filter: "impact > 0" }, { to: 24 }), [
      "2 1 1 1",
    ]);
    assert.deepEqual(await backtest(db, null, { to: 24 }), ["2 1 1 1"]);
  }),
);
