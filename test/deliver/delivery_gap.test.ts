import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  type Claimed,
  claimOne,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  settle,
  someContent,
  someMessages,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

const gap = (db: PoolClient) => rows(db, "select * from delivery_gap order by target, cluster");

test("what was decided is a gap until it is sent", () =>
  rolledBack(database.pool, async (db) => {
    assert.deepEqual(await gap(db), []);
    const [cluster] = await someMessages(db, at);
    const [message] = await rows(db, "select id, message_id from notification");
    const [waits, ...more] = await gap(db);
    assert.deepEqual(more, []);
    assert.deepEqual(
      { ...waits, age: null },
      {
        target: notificationsBackend,
        notification_id: message?.id,
        message_id: message?.message_id,
        org_id: "1",
        cluster,
        issues: "1",
        decided_at: at,
        age: null,
        attempts: 0,
        next_attempt_at: at,
        given_up_at: null,
        failure: null,
        last_error: null,
        leased_until: null,
        held_until: null,
        replay_of: null,
        state: "pending",
      },
    );
    const claimed = await claimOne(db, at);
    assert.equal((await gap(db))[0]?.leased_until, "2026-03-01T12:02:00Z", "the lease of who has it");
    assert.equal((await gap(db))[0]?.given_up_at, "2026-03-02T10:00:00Z", "from its first try on");
    await settle(db, [delivered(claimed)], at);
    assert.deepEqual(await gap(db), []);
  }));

test("it tells what went wrong last, when it is tried again and when it is given up", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await settle(db, [failed(await claimOne(db, at))], "2026-03-01T12:00:01Z");
    const [waits] = await gap(db);
    assert.deepEqual([waits?.attempts, waits?.failure, waits?.last_error], [1, "server", "it answered 503"]);
    assert.ok(String(waits?.next_attempt_at) > "2026-03-01T12:00:01Z");
    const [horizon] = await rows(
      db,
      `select given_up_at = decided_at + interval '22 hours' as given_up, age = now() - decided_at as age from delivery_gap`,
    );
    assert.deepEqual(horizon, { given_up: true, age: true });
  }));

test("what is given up is no gap any more: it has ended, with a reason", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const claimed: Claimed = await claimOne(db, at);
    await settle(db, [failed(claimed, { permanent: true })], at);
    assert.deepEqual(await gap(db), []);
    assert.deepEqual(await rows(db, "select state, failure from notification"), [
      { state: "dead", failure: "server" },
    ]);
  }));

test("every message counts for itself, with the issues in it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const tags = ["osd_customer"];
    await loadContent(db, [someContent("disk", { tags }), "net", "cpu"]);
    await setScopedPolicy(db, { target: serviceLog }, { enabled: true }, "2026-02-01");
    await setScopedPolicy(db, {}, { max_events: 2 }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["disk", "net", "cpu"]);
    assert.deepEqual(
      (await rows(db, "select target, issues from delivery_gap order by notification_id")).map(
        ({ target, issues }) => `${target} ${issues}`,
      ),
      [`${notificationsBackend} 2`, `${notificationsBackend} 1`, `${serviceLog} 1`],
    );
  }));
