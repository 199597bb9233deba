import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  jobs,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { endPolicy, nobodyWaits, type Scope, setScopedPolicy, waiting } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("a policy for an organization may begin in the same moment as that of its target, and copies it", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, { max_events: 3 }, at);
    assert.equal((await setScopedPolicy(db, { org: 1 }, {}, at)).max_events, 3);
    await assert.rejects(setScopedPolicy(db, { org: 1 }, {}, at), { code: "NTP11" });
  }));

test("a policy that ended stays on record, with who ended it and why, and makes room for another", () =>
  rolledBack(database.pool, async (db) => {
    const own = await setScopedPolicy(db, { org: 1, rule: "disk" }, { cooldown: "1 day" }, "2026-02-10");
    const ended = await endPolicy(db, { org: 1, rule: "a.disk.report" }, "2026-02-20", "trial is over");
    assert.equal(ended.id, own.id);
    assert.deepEqual(
      await rows(
        db,
        `select upper(validity) as ends, end_reason, ended_by = session_user as mine, cooldown::text, reason
         from policy where id = $1`,
        [own.id],
      ),
      [
        {
          ends: "2026-02-20T00:00:00Z",
          end_reason: "trial is over",
          mine: true,
          cooldown: "1 day",
          reason: "for the test",
        },
      ],
    );
    const next = await setScopedPolicy(db, { org: 1, rule: "disk" }, {}, "2026-02-20");
    assert.notEqual(next.id, own.id);
    assert.equal(
      await value(db, "select cooldown::text from policy where id = $1", [next.id]),
      "7 days",
      "it begins as a copy of what is in force, not of its predecessor",
    );
  }));

test("ending a policy ends that of its scope only", () =>
  rolledBack(database.pool, async (db) => {
    const scopes: Scope[] = [
      { org: 1 },
      { rule: "disk" },
      { org: 1, rule: "disk" },
      { org: 2 },
      { target: serviceLog, org: 1 },
    ];
    for (const scope of scopes) await setScopedPolicy(db, scope, {}, "2026-02-10");
    const ended = await endPolicy(db, { org: 1 }, "2026-02-20");
    assert.deepEqual([ended.target_id, ended.org_id, ended.rule_name], [1, "1", null]);
    assert.equal(
      await value(
        db,
        "select count(*)::integer from policy where org_id is not null or rule_name is not null",
      ),
      5,
    );
    assert.equal(await value(db, "select count(*)::integer from policy where ended_by is not null"), 1);
    assert.equal(await value(db, "select count(*)::integer from policy where not upper_inf(validity)"), 1);
  }));

test("a policy for a rule, and its end, ask again for the clusters with that rule", () =>
  rolledBack(database.pool, async (db) => {
    const [disk, net] = [aCluster(), aCluster()];
    await addReport(db, disk, at, ["disk"]);
    await addReport(db, net, at, ["net"]);
    const when = ["2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z", "2026-03-01T15:00:00Z"] as const;
    await nobodyWaits(db);
    await setScopedPolicy(db, { rule: "disk.report" }, { enabled: false }, when[0]);
    assert.deepEqual(await waiting(db), [disk]);
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
    await nobodyWaits(db);
    await endPolicy(db, { rule: "disk" }, when[1]);
    assert.deepEqual(await waiting(db), [disk]);
    await nobodyWaits(db);
    await setScopedPolicy(db, { target: notificationsBackend }, { enabled: false }, when[2]);
    assert.deepEqual(await waiting(db), [disk, net].sort());
  }));

test("when a policy ends, the cooldown of the wider one counts for what was notified, and the ledger takes it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, { org: 1 }, { cooldown: "30 days" }, "2026-02-01");
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await endPolicy(db, { org: 1 }, "2026-03-02");
    const end = () =>
      value(db, "select upper(cooldown_period) from notified_issue where notified_at < '2026-03-08'");
    assert.equal(await end(), "2026-03-31T00:00:00Z", "until the next decision");
    assert.equal((await reportAndDecide(db, cluster, "2026-03-07T23:59:59Z", ["disk"])).notified, 0);
    assert.equal(await end(), "2026-03-08T00:00:00Z", "7 days, as for everybody");
    assert.equal((await reportAndDecide(db, cluster, "2026-03-08", ["disk"])).notified, 1);
  }));
