import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  claimOne,
  delivered,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  settle,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-09T12:00:00Z";
const later = "2026-03-09T13:00:00Z";

test("what was notified is forgotten when its row of reported is gone, and only then, however it is spelled", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const forgotten = (when = later) =>
      value(db, "select ccx.forget_notified($1, $2)", [notificationsBackend, when]);
    const cluster = `0a${aCluster().slice(2, -2)}bc`;
    assert.equal((await reportAndDecide(db, cluster, at, ["disk"])).notifications, 1);
    assert.equal(await forgotten(), 0, "it is not sent yet");
    await settle(db, [delivered(await claimOne(db, at))], at);
    const [row] = await rows(db, "select org_id, cluster, state from reported");
    assert.deepEqual(row, { org_id: "1", cluster, state: 1 });
    const mixed = cluster.replace(/^0a/, "0A");
    assert.notEqual(mixed, cluster.toUpperCase());
    for (const spelled of [cluster, cluster.toUpperCase(), mixed]) {
      await db.query("update reported set cluster = $1", [spelled]);
      assert.equal(await forgotten(), 0, spelled);
    }
    for (const other of [
      "org_id = 2",
      "event_type_id = 2",
      "notified_at = notified_at + interval '1 microsecond'",
      "state = 2",
      "cluster = 'another'",
    ]) {
      await db.query("savepoint event");
      await db.query(`update reported set ${other}`);
      assert.equal(await forgotten(), 1, other);
      assert.equal(await forgotten(), 0, "once");
      await db.query("rollback to savepoint event");
    }
    await db.query("delete from reported");
    for (const [change, why] of [
      ["update notified_issue set resolved = true", "nobody was notified of an issue, but of its end"],
      ["update notification set replay_of = id", "it was sent once more on demand"],
      [
        "select ccx.void_notified(array[notification_id], array[issue_id], now()) from notified_issue",
        "it is forgotten",
      ],
    ] as const) {
      await db.query("savepoint event");
      await db.query(change);
      assert.equal(await forgotten(), 0, why);
      await db.query("rollback to savepoint event");
    }
    assert.equal(await forgotten("2026-06-09T00:00:00Z"), 0, "its cooldown has ended long ago");
    assert.equal(await forgotten(), 1);
    assert.equal(
      (await reportAndDecide(db, cluster, later, ["disk"])).notifications,
      1,
      "it is notified again",
    );
  }));
