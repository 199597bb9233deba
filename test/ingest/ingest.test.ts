import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  aMessage,
  aRejected,
  aReport,
  ingest,
  jobs,
  openIssues,
  rows,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nothing = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, skipped: 0, elsewhere: 0 };

test("a batch is stored, its offset moves, and the issues follow", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const facts = {
      request_id: "7af5",
      gathered_at: "2026-02-28T23:58:00.000000Z",
      cluster_version: "4.17.3",
    };
    const message = aMessage(41, cluster, at, ["disk"], { org_id: 77, account_number: 42, ...facts });
    assert.deepEqual(await ingest(db, [message], { at }), { ...nothing, stored: 1, next_offset: "42" });
    assert.deepEqual(await rows(db, "select * from new_reports"), [
      {
        org_id: "77",
        account_number: "42",
        cluster,
        report: aReport("disk"),
        updated_at: at,
        kafka_offset: "41",
        received_at: at,
        ...facts,
        gathered_at: "2026-02-28T23:58:00Z",
        traceparent: null,
        hits_hash: null,
      },
    ]);
    assert.deepEqual(
      await rows(db, "select request_id, gathered_at, cluster_version, report from latest_report"),
      [{ ...facts, gathered_at: "2026-02-28T23:58:00Z", report: null }],
    );
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    assert.deepEqual(await rows(db, "select * from consumer_offset"), [
      {
        ...{ topic: "results", partition: 0, next_offset: "42", updated_at: at, stored_at: at },
        ...{ high_watermark: null, high_watermark_at: null, is_behind: false },
      },
    ]);
  }));

test("a report is stored as it was written, numbers to the digit", () =>
  rolledBack(database.pool, async (db) => {
    const report = `{ "reports":[],"big":12345678901234567890123, "fine":0.1000,"text":"\\u00e9 \\"é\\""}`;
    await ingest(db, [{ ...aMessage(0, aCluster(), at, []), report }], { at });
    assert.equal(await value(db, "select report from new_reports"), report);
  }));

test("a report that is no JSON is refused, although a plain insert of it is not", () =>
  rolledBack(database.pool, async (db) => {
    for (const report of ["", "{", '{"a":"\\u0000"}', '{"a":1e400000}']) {
      await db.query(
        "insert into new_reports (org_id, cluster, report, updated_at) values (2, $1, $2, now())",
        [aCluster(), report],
      );
      const batch = [aMessage(0, aCluster(), at, ["disk"]), { ...aMessage(1, aCluster(), at, []), report }];
      await refused(db, "22P02", () => ingest(db, batch, { at }));
    }
    assert.equal(await value(db, "select count(*)::integer from read_errors"), 4);
    // what somebody else could not be read of is nothing to us
    assert.equal((await ingest(db, [aMessage(0, aCluster(), at, ["disk"])], { at })).stored, 1);
  }));

test("the same upload run again replaces the report; the same content again changes nothing", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await ingest(db, [aMessage(0, cluster, at, ["disk"], { account_number: 1 })], { at });
    assert.deepEqual(await ingest(db, [aMessage(1, cluster, at, ["disk"], { account_number: 2 })], { at }), {
      ...nothing,
      unchanged: 1,
      next_offset: "2",
    });
    const stored = "select account_number, kafka_offset, received_at from new_reports";
    assert.deepEqual(await rows(db, stored), [{ account_number: "1", kafka_offset: "0", received_at: at }]);
    const later = "2026-03-01T12:30:00Z";
    const changed = aMessage(2, cluster, at, ["net"], { account_number: 3 });
    assert.deepEqual(await ingest(db, [changed], { at: later }), {
      ...nothing,
      replaced: 1,
      next_offset: "3",
    });
    assert.deepEqual(await rows(db, stored), [
      { account_number: "3", kafka_offset: "2", received_at: later },
    ]);
    assert.deepEqual(await openIssues(db, cluster), ["net|KEY"]);
  }));

test("of one report several times in a batch the last one counts", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const hits = [["a"], ["a"], ["b"], ["c"]];
    const batch = hits.map((hit, offset) => aMessage(offset, cluster, at, hit));
    const expected = { ...nothing, stored: 1, unchanged: 1, replaced: 2, next_offset: "4" };
    assert.deepEqual(await ingest(db, batch.toReversed(), { at }), expected, "by offset, not by place");
    assert.deepEqual(await openIssues(db, cluster), ["c|KEY"]);
    const again = [aMessage(4, cluster, at, ["c"]), aMessage(5, cluster, at, ["d"])];
    assert.deepEqual(await ingest(db, again, { at }), {
      ...nothing,
      unchanged: 1,
      replaced: 1,
      next_offset: "6",
    });
    assert.deepEqual(await openIssues(db, cluster), ["d|KEY"]);
    const there = [aMessage(6, cluster, at, ["e"]), aMessage(7, cluster, at, ["d"])];
    const back = await ingest(db, there, { at });
    assert.deepEqual(
      back,
      { ...nothing, replaced: 2, next_offset: "8" },
      "each counts against the one before",
    );
    assert.deepEqual(await openIssues(db, cluster), ["d|KEY"]);
  }));

test("the same time in another cluster or organization is another report", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    const batch = [
      aMessage(0, one, at, ["a"]),
      aMessage(1, other, at, ["b"]),
      aMessage(2, one, at, ["c"], { org_id: 2 }),
    ];
    assert.equal((await ingest(db, batch, { at })).stored, 3);
    const more = [aMessage(3, one, at, ["d"], { org_id: 3 }), aMessage(4, aCluster(), at, ["a"])];
    assert.deepEqual(await ingest(db, more, { at }), { ...nothing, stored: 2, next_offset: "5" });
  }));

test("an older report that arrives after a newer one is stored and changes no issue", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await ingest(db, [aMessage(0, cluster, "2026-03-01T11:00:00Z", ["new"])], { at });
    const late = aMessage(1, cluster, "2026-03-01T10:00:00Z", ["old"]);
    assert.equal((await ingest(db, [late], { at })).stored, 1);
    assert.deepEqual(await openIssues(db, cluster), ["new|KEY"]);
  }));

test("what has been consumed is skipped: all of it, or the part that overlaps", () =>
  rolledBack(database.pool, async (db) => {
    const batch = [0, 1, 2].map((offset) => aMessage(offset, aCluster(), at, ["disk"]));
    const rejected = [aRejected(3, "empty")];
    await ingest(db, [...batch.slice(0, 2), ...rejected], { at });
    await db.query("delete from rejected_message"); // somebody dealt with it
    assert.deepEqual(await ingest(db, [...batch, ...rejected], { at }), {
      ...nothing,
      skipped: 4,
      next_offset: "4",
    });
    const further = [...rejected, aMessage(4, aCluster(), at, []), aRejected(5, "empty")];
    assert.deepEqual(await ingest(db, further, { at }), {
      ...nothing,
      stored: 1,
      rejected: 1,
      skipped: 1,
      next_offset: "6",
    });
    assert.equal(await value(db, "select count(*)::integer from new_reports"), 3);
    assert.deepEqual(await rows(db, "select kafka_offset from rejected_message"), [{ kafka_offset: "5" }]);
  }));

test("partitions and topics have offsets of their own, offsets may have gaps", () =>
  rolledBack(database.pool, async (db) => {
    const message = (offset: number) => [aMessage(offset, aCluster(), at, [])];
    assert.equal((await ingest(db, message(7), { at })).next_offset, "8");
    assert.equal((await ingest(db, message(0), { at, partition: 1 })).stored, 1);
    assert.equal((await ingest(db, message(0), { at, topic: "other" })).stored, 1);
    assert.equal((await ingest(db, message(100), { at })).next_offset, "101");
  }));

test("an empty batch moves nothing", () =>
  rolledBack(database.pool, async (db) => {
    await ingest(db, [aMessage(4, aCluster(), at, [])], { at });
    assert.deepEqual(await ingest(db, [], { at }), { ...nothing, next_offset: "5" });
  }));

test("a topic that ends before the offset we expect was created anew: refused, nothing changes", () =>
  rolledBack(database.pool, async (db) => {
    await ingest(db, [aMessage(9, aCluster(), at, [])], { at });
    const message = "NTI01";
    const batch = [aMessage(3, aCluster(), at, ["disk"])];
    await refused(db, message, () => ingest(db, batch, { at, highWatermark: 9 }));
    await db.query("savepoint before");
    const error = await ingest(db, batch, { at, highWatermark: 9 }).catch((error) => error);
    assert.equal(error.code, "NTI01");
    assert.match(error.hint, /delete from consumer_offset where topic = 'results' and partition = 0/);
    await db.query("rollback to savepoint before");
    assert.equal(await value(db, "select count(*)::integer from new_reports"), 1);
    assert.equal(
      (await ingest(db, batch, { at, highWatermark: 10 })).skipped,
      1,
      "ending where we are is fine",
    );
  }));

test("a rejected message keeps its bytes, key, headers and reason", () =>
  rolledBack(database.pool, async (db) => {
    const base64 = (bytes: number[]) => Buffer.from(bytes).toString("base64");
    const full = {
      kafka_offset: 5,
      reason: "invalid_utf8",
      detail: "the message is not UTF-8",
      key: base64([1, 0, 255]),
      value: base64([0, 254, 123]),
      headers: { service: [base64([97])] },
    };
    const result = await ingest(db, [full, aRejected(6, "tombstone")], { at, partition: 2 });
    assert.deepEqual(result, { ...nothing, rejected: 2, next_offset: "7" });
    const kept = `select topic, partition, kafka_offset, reason, detail, key, value, headers, received_at
      from rejected_message order by id`;
    assert.deepEqual(await rows(db, kept), [
      {
        topic: "results",
        partition: 2,
        kafka_offset: "5",
        reason: "invalid_utf8",
        detail: "the message is not UTF-8",
        key: Buffer.from([1, 0, 255]),
        value: Buffer.from([0, 254, 123]),
        headers: { service: ["YQ=="] },
        received_at: at,
      },
      {
        topic: "results",
        partition: 2,
        kafka_offset: "6",
        reason: "tombstone",
        detail: "it is",
        key: null,
        value: null,
        headers: {},
        received_at: at,
      },
    ]);
  }));

test("a rejected message read again is kept once; another one at its offset, of a topic created anew, too", () =>
  rolledBack(database.pool, async (db) => {
    const bytes = (text: string) => Buffer.from(text).toString("base64");
    const old = { ...aRejected(0, "not_json"), value: bytes("old") };
    const again = async (message: object) => {
      await db.query("delete from consumer_offset");
      await ingest(db, [message], { at });
      return value(
        db,
        "select string_agg(convert_from(value, 'UTF8'), ' ' order by id) from rejected_message",
      );
    };
    assert.equal(await again(old), "old");
    assert.equal(await again(old), "old");
    assert.equal(await again({ ...old, value: bytes("new") }), "old new");
    assert.equal(await again({ ...old, key: bytes("k") }), "old new old");
  }));

test("a batch of which one message cannot be stored leaves nothing", () =>
  rolledBack(database.pool, async (db) => {
    const batch = [
      aMessage(0, aCluster(), at, ["disk"]),
      aRejected(1, "empty"),
      aMessage(2, aCluster(), at, ["disk"], { org_id: "9223372036854775808" }),
    ];
    await refused(db, "22003", () => ingest(db, batch, { at }));
    await refused(db, ["23514", /rejected_message_reason_check/], () =>
      ingest(db, [batch[0], aRejected(1, "no_idea")], { at }),
    );
    const left = `select (select count(*) from new_reports) + (select count(*) from consumer_offset)
      + (select count(*) from issue) + (select count(*) from rejected_message) as count`;
    assert.equal(await value(db, left), "0");
  }));

test("a database that is behind what its caller has stored says so, and stores nothing", () =>
  rolledBack(database.pool, async (db) => {
    const store = (first: number, expected: number | null) =>
      rows(db, "select * from ingest('results', 0, $1::jsonb, null, $2, $3)", [
        JSON.stringify([aMessage(first, aCluster(), at, ["disk"])]),
        ...[at, expected],
      ]);
    await store(0, null);
    await store(1, 1);
    await store(5, 2); // compaction and control records leave gaps
    await db.query("update consumer_offset set next_offset = 2");
    await refused(db, ["NTI02", /is at offset 2 in the database, but was at 6 before/], () => store(6, 6));
    await store(2, 2);
    await store(3, null);
    assert.equal(await value(db, "select next_offset::integer from consumer_offset"), 4);
  }));

test("a report with more of its partition behind it is decided on once that is stored, or at last in time", () =>
  rolledBack(database.pool, async (db) => {
    const [early, late] = ["2099-03-01T12:00:00Z", "2099-03-01T12:10:00Z"];
    const store = (first: number, cluster: string, within: string | null, partition = 0) =>
      rows(db, "select * from ingest('results', $5, $1::jsonb, $4, $2, null, $3::interval)", [
        JSON.stringify([aMessage(first, cluster, "2026-03-01T12:00:00Z", first % 2 === 0 ? ["disk"] : [])]),
        ...[early, within, first + (within ? 10 : 1), partition],
      ]);
    const decided = async (time: string) =>
      Number(await value(db, "select clusters from decide_due(100, $1)", [time]));
    const [one, other, third] = [aCluster(), aCluster(), aCluster()];
    await db.query("truncate decision_due");
    await store(0, one, "10 minutes");
    await store(2, other, "10 minutes");
    await store(0, third, null, 1);
    assert.equal(await decided(early), 1, "nobody waits for another partition");
    const waiting = "select cluster, waits_for, until from postponed_decisions order by waits_for, cluster";
    const wait = { waits_for: "results/0", until: late };
    assert.deepEqual(
      await rows(db, waiting),
      [one, other].sort().map((cluster) => ({ cluster, ...wait })),
    );
    assert.deepEqual(
      await rows(db, "select partition, lag::integer, is_behind from consumer_lag order by 1"),
      [
        { partition: 0, lag: 9, is_behind: true },
        { partition: 1, lag: 0, is_behind: false },
      ],
    );
    await db.query("savepoint waiting");
    assert.equal(await decided(late), 2, "it has waited long enough");
    await db.query("rollback to savepoint waiting");
    await store(4, third, null);
    assert.equal(await decided(early), 2, "the partition has been caught up with");
    assert.deepEqual(await rows(db, waiting), []);
  }));

test("the last report of a cluster that is known makes it due at once, whatever else asks for a decision", () =>
  rolledBack(database.pool, async (db) => {
    await db.query("truncate decision_due");
    const mark = (byReport: boolean, due: string, backlog: string | null) =>
      db.query("select mark_due('{1}', '{x}', $1, $2, $3)", [[byReport], due, backlog]);
    const due = async () => (await rows(db, "select due_at, backlog_of from decision_due"))[0];
    const [now, soon, later] = ["2026-03-01T12:00:00Z", "2026-03-01T12:10:00Z", "2026-03-01T12:20:00Z"];
    await mark(false, now, null);
    await mark(true, soon, "results/0");
    assert.deepEqual(await due(), { due_at: soon, backlog_of: "results/0" });
    await mark(true, later, "results/0");
    assert.deepEqual(await due(), { due_at: soon, backlog_of: "results/0" }, "the wait has one end");
    await mark(false, now, null);
    assert.deepEqual(await due(), { due_at: soon, backlog_of: "results/0" }, "that hastens nothing");
    await mark(true, now, null);
    assert.deepEqual(await due(), { due_at: now, backlog_of: null });
  }));

test("when a report was last stored does not move with what is rejected, or was there already", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const stored = async () => value(db, "select stored_at from consumer_offset");
    const first = [aMessage(0, cluster, "2026-03-01", ["disk"])];
    await ingest(db, first, { at: "2026-03-01T00:01:00Z" });
    assert.equal(await stored(), "2026-03-01T00:01:00Z");
    await ingest(db, [aRejected(1, "not_json")], { at: "2026-03-01T00:02:00Z" });
    await ingest(db, [aMessage(2, cluster, "2026-03-01", ["disk"])], { at: "2026-03-01T00:03:00Z" });
    assert.equal(await stored(), "2026-03-01T00:01:00Z");
    await ingest(db, [aMessage(3, cluster, "2026-03-01", ["net"])], { at: "2026-03-01T00:04:00Z" });
    assert.equal(await stored(), "2026-03-01T00:04:00Z", "replaced is stored");
  }));

test("what catches a partition up wakes the decisions that waited for it, though it is no report itself", () =>
  rolledBack(database.pool, async (db) => {
    const at = String(await value(db, "select now()"));
    await ingest(db, [aMessage(0, aCluster(), at, ["disk"])], { at, decideWithin: "10 minutes" });
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    await ingest(db, [aRejected(1, "not_json")], { at, decideWithin: "10 minutes" });
    assert.ok(!("decide" in (await jobs(db))), "more is to come");
    await ingest(db, [aRejected(2, "not_json")], { at });
    assert.ok("decide" in (await jobs(db)));
  }));

test("what time may mend waits for it before it goes to the dead-letter topic", () =>
  rolledBack(database.pool, async (db) => {
    const later = "2026-03-01T13:00:00Z";
    await ingest(
      db,
      [{ ...aRejected(0, "future_last_checked"), retry_at: later }, aRejected(1, "not_json")],
      { at },
    );
    assert.deepEqual(
      await rows(
        db,
        "select reason, retry_due_at, dead_letter_due_at from rejected_message order by kafka_offset",
      ),
      [
        { reason: "future_last_checked", retry_due_at: later, dead_letter_due_at: null },
        { reason: "not_json", retry_due_at: null, dead_letter_due_at: at },
      ],
    );
  }));
