import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { endPolicy, setScopedPolicy } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const planned = "2099-01-01T00:00:00Z";

/** The cooldowns of the notifications backend, one version after another. */
const versions = (db: PoolClient, scope = "org_id is null and rule_name is null") =>
  rows(
    db,
    `select cooldown::text, lower(validity)::date::text as from, upper(validity)::date::text as until
     from policy where target_id = 1 and ${scope} order by lower(validity)`,
  );

test("a change between now and a planned one lasts until that begins", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "1 day" }, planned);
    await setScopedPolicy(db, {}, { cooldown: "2 days" }, "2026-03-01");
    assert.deepEqual(await versions(db), [
      { cooldown: "7 days", from: "-infinity", until: "2026-03-01" },
      { cooldown: "2 days", from: "2026-03-01", until: "2099-01-01" },
      { cooldown: "1 day", from: "2099-01-01", until: null },
    ]);
  }));

test("a planned policy can be withdrawn: the one before it goes on, and who took it back is on record", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "1 day" }, planned);
    const id = await value(db, "select id from policy where lower(validity) = $1", [planned]);
    await refused(db, "NTP15", () => db.query("select withdraw_policy($1, 'no')", [id]));
    await db.query("select withdraw_policy($1, 'a typo in the year')", [id]);
    assert.deepEqual(await versions(db), [{ cooldown: "7 days", from: "-infinity", until: null }]);
    assert.deepEqual(
      await rows(
        db,
        "select policy ->> 'id' as id, planned_by = session_user as ours, reason from withdrawn_policy",
      ),
      [{ id, ours: true, reason: "a typo in the year" }],
    );
    await refused(db, "NTP16", () => db.query("select withdraw_policy($1, 'once more')", [id]));
  }));

test("between two planned ones a withdrawn one leaves no gap", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "3 days" }, "2099-03-01T00:00:00Z");
    await setScopedPolicy(db, {}, { cooldown: "2 days" }, "2099-02-01T00:00:00Z");
    await db.query("delete from policy where lower(validity) = '2099-02-01T00:00:00Z'");
    assert.deepEqual(await versions(db), [
      { cooldown: "7 days", from: "-infinity", until: "2099-03-01" },
      { cooldown: "3 days", from: "2099-03-01", until: null },
    ]);
    assert.equal(await value(db, "select reason from withdrawn_policy"), null);
  }));

test("what has begun is neither withdrawn nor deleted", () =>
  rolledBack(database.pool, async (db) => {
    const id = await value(db, "select id from policy where target_id = 1");
    await refused(db, "NTP16", () => db.query("select withdraw_policy($1, 'for the test')", [id]));
    await refused(db, "NTP07", () => db.query("delete from policy where id = $1", [id]));
  }));

test("a policy of an organization may be planned beside a planned one of its target", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "1 day" }, "2099-02-01T00:00:00Z");
    await setScopedPolicy(db, { org: 1 }, { spacing: "1 hour" }, planned);
    assert.deepEqual(await versions(db, "org_id = 1"), [
      { cooldown: "7 days", from: "2099-01-01", until: null },
    ]);
    await setScopedPolicy(db, { org: 1 }, { cooldown: "5 days" }, "2026-03-01");
    await endPolicy(db, { org: 1 }, "2026-03-02");
    assert.deepEqual(await versions(db, "org_id = 1"), [
      { cooldown: "5 days", from: "2026-03-01", until: "2026-03-02" },
      { cooldown: "7 days", from: "2099-01-01", until: null },
    ]);
  }));

test("a policy that begins never, always, or when another is planned to begin is refused", () =>
  rolledBack(database.pool, async (db) => {
    for (const at of ["infinity", "-infinity"])
      await refused(db, "NTP13", () => setScopedPolicy(db, {}, {}, at));
    await setScopedPolicy(db, {}, {}, planned);
    await refused(db, "NTP14", () => setScopedPolicy(db, {}, {}, planned));
  }));
