import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  aReport,
  type Db,
  decideDue,
  decisions,
  loadContent,
  rows,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { aLetteredCluster } from "../support/policies.ts";

const database = testDatabase();
const now = "2026-03-05T12:00:00Z";

/** Another service notified somebody of a report with these hits. */
async function reported(
  db: Db,
  cluster: string,
  at: string,
  hits: string[],
  { state = 1, target = 1 } = {},
): Promise<void> {
  await db.query(
    `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
       notified_at, error_log, event_type_id)
     values (1, 0, $1, 1, $2, $3, $4::timestamptz - interval '1 minute', $4, '', $5)`,
    [cluster, state, aReport(...hits), at, target],
  );
}

const imported = (db: Db) => rows(db, "select * from import_reported($1)", [now]);
const drift = (db: Db) => rows(db, "select * from drift");

test("what another service notified is in its cooldown, whether or not its report is stored", () =>
  rolledBack(database.pool, async (db) => {
    const [unknown, stored] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await addReport(db, stored, "2026-03-05T11:00:00Z", ["disk"]);
    for (const cluster of [unknown, stored])
      await reported(db, cluster, "2026-03-03T12:00:00Z", ["disk", "low"]);
    assert.deepEqual(await imported(db), [{ notifications: 2, issues: 2 }]);
    await addReport(db, unknown, "2026-03-05T11:30:00Z", ["disk"]);
    for (const cluster of [unknown, stored]) {
      assert.deepEqual((await decisions(db, cluster, now))["disk|KEY"], ["cooldown"]);
      assert.equal((await decisions(db, cluster, "2026-03-10T12:00:00Z"))["disk|KEY"], "notify");
    }
    assert.equal((await decideDue(db, now)).notified, 0);
    assert.deepEqual(await drift(db), []);
  }));

test("an issue that only the row of reported has is in its cooldown when it comes back", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await addReport(db, cluster, "2026-03-05T10:00:00Z", ["net"]);
    await reported(db, cluster, "2026-03-03T12:00:00Z", ["disk"]);
    assert.deepEqual(await imported(db), [{ notifications: 1, issues: 1 }]);
    assert.deepEqual(await decisions(db, cluster, now), { "net|KEY": "notify" });
    assert.deepEqual(await drift(db), []);
    await addReport(db, cluster, "2026-03-05T11:00:00Z", ["disk"]);
    assert.deepEqual(await decisions(db, cluster, now), { "disk|KEY": ["cooldown"] });
    assert.deepEqual(await drift(db), []);
  }));

test("only what was sent, lately, through that target counts, once", () =>
  rolledBack(database.pool, async (db) => {
    const [same, old, other, twice, unreadable] = [
      aCluster(),
      aCluster(),
      aCluster(),
      aCluster(),
      aCluster(),
    ];
    await loadContent(db, ["disk"]);
    for (const cluster of [same, old, other, twice])
      await addReport(db, cluster, "2026-03-05T11:00:00Z", ["disk"]);
    await reported(db, same, "2026-03-03T12:00:00Z", ["disk"], { state: 2 });
    await reported(db, same, "2026-03-03T13:00:00Z", ["disk"], { state: 4 });
    await reported(db, old, "2026-02-20T12:00:00Z", ["disk"]);
    await reported(db, other, "2026-03-03T12:00:00Z", ["disk"], { target: 2 });
    await reported(db, twice, "2026-03-02T12:00:00Z", ["disk"]);
    await reported(db, twice, "2026-03-04T12:00:00Z", ["disk"]);
    await db.query(
      `insert into reported select org_id, account_number, $1, notification_type, state, 'no JSON', updated_at,
         notified_at, error_log, event_type_id from reported where cluster = $2 limit 1`,
      [unreadable, twice],
    );
    assert.deepEqual(await imported(db), [{ notifications: 1, issues: 1 }]);
    for (const cluster of [same, old, other])
      assert.deepEqual(await decisions(db, cluster, now), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, twice, "2026-03-09T11:59:00Z"), { "disk|KEY": ["cooldown"] });
    assert.deepEqual(await decisions(db, twice, "2026-03-09T12:01:00Z"), { "disk|KEY": "notify" });
    assert.deepEqual(await imported(db), [{ notifications: 0, issues: 0 }], "again does no harm");
    assert.deepEqual(await rows(db, "select state, count(*)::integer as n from notification group by 1"), [
      { state: "sent", n: 1 },
    ]);
  }));

test("a row that another program adds later counts after the next call", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aLetteredCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-03-05T11:00:00Z", ["disk"]);
    assert.deepEqual(await imported(db), [{ notifications: 0, issues: 0 }]);
    await reported(db, cluster.toUpperCase(), "2026-03-05T11:30:00Z", ["disk"]);
    assert.deepEqual(await imported(db), [{ notifications: 1, issues: 1 }]);
    assert.equal((await decideDue(db, now)).notified, 0);
  }));
