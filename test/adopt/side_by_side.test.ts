import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  aReport,
  claim,
  type Db,
  decideDue,
  decisions,
  delivered,
  loadContent,
  rows,
  setPolicy,
  settle,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();

const now = Date.now();
/** So many hours ago; the trigger of reported has the real clock. */
const ago = (hours: number) => new Date(now - hours * 3_600_000).toISOString();

/** The other service sends: as it does, in a statement of its own. */
async function theySend(
  db: Db,
  cluster: string,
  hours: number,
  hits: string[] | string,
  { state = 1, target = 1, org = 1, error = "" } = {},
): Promise<void> {
  await db.query(
    `INSERT INTO reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
       notified_at, error_log, event_type_id) VALUES ($1, 0, $2, 1, $3, $4, $5, $5, $6, $7)`,
    [org, cluster, state, typeof hits === "string" ? hits : aReport(...hits), ago(hours), error, target],
  );
}

const waiting = (db: Db) => value(db, "select count(*)::integer from reported_elsewhere");

test("what the other service sends is in its cooldown for ours at once, and it reads what ours sends", () =>
  rolledBack(database.pool, async (db) => {
    const [theirs, ours] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    for (const cluster of [theirs, ours]) await addReport(db, cluster, ago(2), ["disk"]);
    await theySend(db, theirs, 1, ["disk"]);
    assert.equal(await waiting(db), 0);
    assert.deepEqual(await decisions(db, theirs, ago(0)), { "disk|KEY": ["cooldown"] });
    assert.equal((await decideDue(db, ago(0))).notified, 1);
    const [message] = await claim(db, ago(-0.01));
    await settle(db, [delivered(message as never)], ago(-0.02));
    const sent = await rows(
      db,
      `SELECT org_id, cluster, report FROM (
         SELECT DISTINCT ON (cluster) * FROM reported
         WHERE event_type_id = 1 AND state = 1 AND cluster IN ('${ours}')
         ORDER BY cluster, notified_at DESC) t
       WHERE notified_at > NOW() - '1 week'::INTERVAL`,
    );
    assert.deepEqual(sent, [{ org_id: "1", cluster: ours, report: aReport("disk") }]);
    assert.equal(await waiting(db), 0, "what ours sends is no news");
  }));

test("what it sends of a rule that is not known yet waits, and holds as soon as it is known", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, ago(3), ["disk", "net"]);
    await theySend(db, cluster, 2, ["disk", "net"]);
    assert.equal(await waiting(db), 1);
    assert.equal((await decideDue(db, ago(1))).notified, 0);
    await loadContent(db, ["disk", "net"], ago(0.9));
    while ((await decideDue(db, ago(0))).clusters > 0);
    assert.equal(
      await value(
        db,
        `select count(*)::integer from notification where result is distinct from '{"imported": true}'`,
      ),
      0,
    );
    assert.deepEqual(await decisions(db, cluster, ago(0)), {
      "disk|KEY": ["cooldown"],
      "net|KEY": ["cooldown"],
    });
    assert.equal(await waiting(db), 0);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("what it sends counts where our policy is off, and never fails because of ours", () =>
  rolledBack(database.pool, async (db) => {
    const [off, odd] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await setPolicy(db, "service log", { required_tags: [] }, ago(20));
    await addReport(db, off, ago(3), ["disk", "low"]);
    await theySend(db, off, 2, ["disk", "low"], { target: 2 });
    await setPolicy(db, "service log", { enabled: true, total_risk_threshold: 2 }, ago(1));
    const decided = await decisions(db, off, ago(0), "service log");
    assert.deepEqual(decided["disk|KEY"], ["cooldown"]);
    for (const report of ["", "no json", '{"reports":7}', "[]"])
      await theySend(db, odd, Math.random(), report);
    await theySend(db, "no uuid", 1, ["disk"]);
    await theySend(db, off.toUpperCase(), 1, ["disk"]);
    await theySend(db, odd, -8_760_000, ["disk"]);
    assert.equal(await waiting(db), 1, "what was sent in the year 3026 waits");
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("in shadow ours sends by itself, and neither knows of the other until it is over", () =>
  rolledBack(database.pool, async (db) => {
    const [both, theirs, ours] = [aCluster(), aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    assert.deepEqual(await rows(db, "select * from set_side_by_side('shadow')"), [
      { before: "together", after: "shadow" },
    ]);
    for (const cluster of [both, ours]) await addReport(db, cluster, ago(3), ["disk"]);
    await theySend(db, both, 2, ["disk"]);
    await theySend(db, theirs, 2, ["net"]);
    await addReport(db, theirs, ago(3), ["disk"]);
    await db.query(
      `insert into silence (org_id, cluster, period, reason, created_at)
       values (1, $1, tstzrange(now() - interval '1 day', now() + interval '1 day'), 'for the test',
         now() - interval '1 day')`,
      [theirs],
    );
    assert.equal((await decideDue(db, ago(1))).notified, 2);
    const messages = await claim(db, ago(0.9));
    await settle(
      db,
      messages.map((one) => delivered(one as never)),
      ago(0.8),
    );
    assert.equal(await value(db, "select count(*)::integer from reported"), 2, "only theirs");
    assert.equal(await waiting(db), 2);
    const differences = await rows(
      db,
      `select cluster, split_part(component, '.', -2) as rule, notified_by, why
       from compare_notifications($1, $2) order by notified_by`,
      [ago(24), ago(0)],
    );
    assert.deepEqual(differences, [
      { cluster: ours, rule: "disk", notified_by: "ours", why: "the other one has no row of this cluster" },
      { cluster: theirs, rule: "net", notified_by: "theirs", why: "ours knows no such open issue" },
    ]);
    await db.query("select set_side_by_side('together')");
    await addReport(db, theirs, ago(0.7), ["net"]);
    assert.equal((await decideDue(db, ago(0))).notified, 0);
    assert.equal(await waiting(db), 1, "the other cluster has not been decided on since");
  }));

test("a difference says why", () =>
  rolledBack(database.pool, async (db) => {
    const [failed, cooled, skipped, held] = [aCluster(), aCluster(), aCluster(), aCluster()];
    const without = aCluster();
    await loadContent(db, ["disk", "net", someContent("low", { impact: 1, likelihood: 1 })]);
    await db.query("select set_side_by_side('shadow')");
    for (const cluster of [failed, cooled, skipped, without]) await addReport(db, cluster, ago(3), ["disk"]);
    await addReport(db, held, ago(3), ["net", "low"]);
    await setPolicy(db, "notifications backend", { blocked_clusters: [held] }, ago(20));
    await theySend(db, failed, 2, ["disk"], { state: 4, error: "it is away" });
    await theySend(db, cooled, 50, ["disk"]);
    await theySend(db, skipped, 2, "", { state: 2 });
    await theySend(db, held, 2, ["net", "low"]);
    await theySend(db, without, 2, ["net"]);
    await decideDue(db, ago(1));
    const why = await rows(db, "select cluster, component, why from compare_notifications($1, $2)", [
      ago(24),
      ago(0),
    ]);
    const of = (cluster: string) =>
      why.filter((row) => row.cluster === cluster).map((row) => String(row.why));
    assert.deepEqual(of(failed), ["the other one failed to send: it is away"]);
    assert.match(
      of(cooled).join(),
      /^the other one sent a report that had it at .*, and counts its cooldown by/,
    );
    assert.deepEqual(of(skipped), ["the other one skipped the report as the same"]);
    assert.deepEqual(of(without), [
      "the other one sent a report without it",
      "ours knows no such open issue",
    ]);
    assert.deepEqual(of(held), ["ours holds it: cluster_blocked"], "and low was not notified by either");
  }));

test("what ours took over from the other one is a notification of the other one only", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, ago(3), ["disk"]);
    await theySend(db, cluster, 2, ["disk"]);
    await decideDue(db, ago(1));
    assert.deepEqual(
      await rows(db, "select cluster, notified_by, why from compare_notifications($1, $2)", [
        ago(24),
        ago(0),
      ]),
      [{ cluster, notified_by: "theirs", why: "ours holds it: cooldown" }],
    );
  }));

test("what ours took back, said of the end of an issue, or sent once more on demand is no notification of it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await db.query("select set_side_by_side('shadow')");
    await addReport(db, cluster, ago(3), ["disk"]);
    await decideDue(db, ago(1));
    const by = async (since = ago(24), until = ago(0)) =>
      (await rows(db, "select notified_by from compare_notifications($1, $2)", [since, until])).map(
        ({ notified_by }) => notified_by,
      );
    assert.deepEqual(await by(), ["ours"]);
    assert.deepEqual([await by(ago(24), ago(2)), await by(ago(0.5))], [[], []], "within the period only");
    for (const changed of [
      `select ccx.void_notified(array[notification_id], array[issue_id], now()) from notified_issue`,
      "update notified_issue set resolved = true",
      "update notification set replay_of = id",
    ]) {
      await db.query("savepoint changed");
      await db.query(changed);
      assert.deepEqual(await by(), [], changed);
      await db.query("rollback to savepoint changed");
    }
  }));

test("what ours wrote to reported is not taken for the other one's, and a cluster is the same in capitals", () =>
  rolledBack(database.pool, async (db) => {
    const [alone, both] = [`0a${aCluster().slice(2)}`, `0b${aCluster().slice(2)}`];
    await loadContent(db, ["disk"]);
    for (const cluster of [alone, both]) await addReport(db, cluster, ago(3), ["disk"]);
    assert.equal((await decideDue(db, ago(1))).notified, 2);
    await settle(
      db,
      (await claim(db, ago(0.9))).map((one) => delivered(one as never)),
      ago(0.8),
    );
    assert.equal(await value(db, "select count(*)::integer from reported where state = 1"), 2);
    await theySend(db, both.toUpperCase(), 0.5, ["disk"]);
    assert.deepEqual(
      await rows(db, "select cluster, notified_by, why from compare_notifications($1, $2)", [
        ago(24),
        ago(0),
      ]),
      [{ cluster: alone, notified_by: "ours", why: "the other one has no row of this cluster" }],
    );
  }));

test("what the other one sends again after the cooldown is a notification, within it none", () =>
  rolledBack(database.pool, async (db) => {
    const [after, within] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    await setPolicy(db, "notifications backend", { cooldown: "1 hour" }, ago(20));
    for (const [cluster, hours] of [
      [after, 23],
      [within, 23.9],
    ] as const) {
      await theySend(db, cluster, 24.5, ["disk"]);
      await theySend(db, cluster, hours, ["disk"]);
    }
    assert.deepEqual(
      await rows(db, "select cluster, notified_by from compare_notifications($1, $2)", [ago(24), ago(0)]),
      [{ cluster: after, notified_by: "theirs" }],
    );
  }));

test("what makes no sense is refused", () =>
  rolledBack(database.pool, async (db) => {
    await refused(db, "NTM04", () => db.query("select set_side_by_side('alone')"));
    await refused(db, "NTM05", () => db.query("select * from compare_notifications(now(), now())"));
    await refused(db, "NTM05", () => db.query("select * from compare_notifications(null)"));
    await refused(db, "NTM02", () => db.query("select * from ccx.old_rows('policy', '1 day')"));
    await refused(db, "NTM02", () => db.query("select * from ccx.delete_old_rows('policy', '1 day', 1)"));
    await db.query("update side_by_side set mode = 'adopting'");
    await refused(db, "NTM06", () => db.query("select set_side_by_side('shadow')"));
    await addReport(db, aCluster(), ago(1), ["disk"]);
    await loadContent(db, ["disk"]);
    assert.equal(
      (await decideDue(db, ago(0))).clusters,
      0,
      "nothing is decided while cooldowns are on their way",
    );
  }));
