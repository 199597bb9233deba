import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createProducer } from "../../src/kafka/producer.ts";
import type { RecordProducer } from "../../src/kafka/send_each.ts";
import { createLogger } from "../../src/log.ts";
import { DatabaseStore } from "../../src/objects/database.ts";
import { archiveIdentity } from "../../src/objects/sql.ts";
import type { ObjectStore } from "../../src/objects/store.ts";
import { type Announcing, announceUploads } from "../../src/upload/announce.ts";
import { tidyArchives } from "../../src/upload/tidy.ts";
import { type Db, rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { followTopics, type Topics, testKafka } from "../support/topic.ts";
import { archivePart, identity, openshift, servedIngress } from "../support/upload.ts";

const database = testDatabase();
const ingress = servedIngress(database);
const log = createLogger("silent");
const cluster = "c25da893-5ba1-4229-9432-c8ec9334c4a0";

const kafka = testKafka();
const name = `test-${process.pid}-${Date.now().toString(36)}`;
const announceTopic = `platform.upload.announce.${name}`;
const statusTopic = `platform.payload-status.${name}`;
const producer = createProducer(kafka);
let topics: Topics;
before(async () => {
  topics = await followTopics(kafka, [announceTopic, statusTopic]);
});
after(async () => {
  await producer.disconnect();
  await topics[Symbol.asyncDispose]();
});

const announcing = (more: Partial<Announcing> = {}): Announcing => ({
  producer,
  store: ingress.store,
  announceTopic,
  statusTopic,
  urlSeconds: 86_400,
  ...more,
});
const announce = (more: Partial<Announcing> = {}) => announceUploads(database.pool, announcing(more), log);
const empty = () => database.pool.query("truncate archive, archive_chunk, upload_message cascade");
const query = (sql: string, values: unknown[] = []) => rows(database.pool, sql, values);
const status = async (id: string) =>
  (await query("select * from upload_status where request_id = $1", [id]))[0] as Record<string, unknown>;
const everything = async (topic: string) =>
  (await topics.read(topic)).map(({ key, value, headers }) => ({
    key: key?.toString() ?? null,
    value: JSON.parse(String(value)),
    headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])),
  }));
/** All of it goes to nobody. */
const refusing = (error: Error): RecordProducer => ({
  send: async () => {
    throw error;
  },
});

test("an upload is announced with the members of the reference, and leads to its content", async () => {
  await empty();
  const metadata = { custom_metadata: { gathering_time: "2026-11-27T07:31:46Z" }, queue_key: cluster };
  await ingress.upload([archivePart("content"), { name: "metadata", body: JSON.stringify(metadata) }], {
    "x-rh-insights-request-id": "announced",
    "x-rh-identity": identity("42", { cluster }),
  });
  await ingress.upload([archivePart("other", "application/gzip")], {
    "x-rh-insights-request-id": "bare",
    "x-rh-identity": identity("43", { account_number: "" }),
  });
  await announce();

  const [first, second, ...others] = await everything(announceTopic);
  assert.deepEqual(others, []);
  assert.deepEqual([first?.key, first?.headers], [cluster, { service: "openshift" }]);
  const { url, timestamp, metadata: said, ...members } = first?.value ?? {};
  assert.deepEqual(members, {
    account: "6212377",
    category: "periodic",
    content_type: openshift,
    request_id: "announced",
    principal: "42",
    org_id: "42",
    service: "openshift",
    size: 7,
    b64_identity: identity("42", { cluster }),
  });
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  const { stale_timestamp, ...given } = said;
  assert.deepEqual(given, { ...metadata, reporter: "ingress" });
  assert.ok(Math.abs(Date.parse(stale_timestamp) - Date.now() - 30 * 86_400_000) < 600_000);
  assert.equal(await (await fetch(url)).text(), "content");

  assert.deepEqual([second?.key, second?.headers], [null, { service: "advisor" }]);
  assert.deepEqual(second?.value.metadata, { reporter: "", stale_timestamp: "0001-01-01T00:00:00Z" });
  assert.deepEqual([second?.value.account, second?.value.category], ["", "upload"]);

  const statuses = await everything(statusTopic);
  assert.deepEqual(
    statuses.map(({ key, value }) => [key, value.request_id, value.service, value.status, value.status_msg]),
    [
      [null, "announced", "ingress", "received", "Payload received by ingress"],
      [null, "bare", "ingress", "received", "Payload received by ingress"],
      [null, "announced", "ingress", "success", "Sent to validation service: openshift"],
      [null, "bare", "ingress", "success", "Sent to validation service: advisor"],
    ],
  );
  assert.deepEqual(Object.keys(statuses[0]?.value ?? {}), [
    ...["service", "account", "org_id", "request_id", "status", "status_msg", "date"],
  ]);
  await announce();
  assert.equal((await everything(announceTopic)).length, 2, "nothing is announced twice");
  assert.equal((await status("announced")).state, "announced");
});

test("a broker that is away delays, and the message is the same when it comes at last", async () => {
  await empty();
  const before = (await everything(announceTopic)).length;
  await ingress.upload([archivePart("late")], { "x-rh-insights-request-id": "late" });
  await announce({ producer: refusing(new Error("nobody there")) });
  const late = await status("late");
  assert.deepEqual([late.state, late.failure], ["stored", "Kafka did not take the messages (Error)."]);
  const [due] = await query(
    "select bool_and(due_at > now()) as later, min(attempts) as attempts from upload_message",
  );
  assert.equal(due?.later, true, "not at once");
  const [job] = await query(
    "select run_at > now() as later from graphile_worker.jobs where key = 'retry announce_uploads'",
  );
  assert.equal(job?.later, true, "somebody looks when it is due");
  const signed = await query("select signed_at from upload_message where kind = 'announcement'");

  await query("update upload_message set due_at = now()");
  // it goes out, and the process dies before it can say so
  const sentOnly: RecordProducer = {
    send: async (record) => {
      await producer.send(record);
      throw new Error("gone");
    },
  };
  await announce({ producer: sentOnly });
  await query("update upload_message set due_at = now()");
  await announce();
  const [one, two, ...more] = (await everything(announceTopic)).slice(before);
  assert.deepEqual(more, []);
  assert.deepEqual(one, two, "with the same URL");
  assert.deepEqual(await query("select signed_at from upload_message where kind = 'announcement'"), signed);
  assert.equal((await status("late")).failure, null);
});

test("a URL that would soon expire is signed anew", async () => {
  await empty();
  await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": "stale" });
  const claim = async (at: string) =>
    (
      await query(
        `select signed_at from ccx.claim_upload_messages(10, '1 minute', '1 day', $1) where kind = 'announcement'`,
        [at],
      )
    )[0]?.signed_at;
  const times = await query(
    "select now() + '1 minute' as a, now() + '12 hours' as b, now() + '13 hours' as c, now() + '14 hours' as d",
  );
  const { a, b, c, d } = times[0] as Record<string, string>;
  const first = await claim(String(a));
  assert.deepEqual(await claim(String(b)), first);
  const second = await claim(String(c));
  assert.notDeepEqual(second, first);
  assert.deepEqual(await claim(String(d)), second);
});

test("what Kafka refuses for good is dead, seen, and can be redriven", async () => {
  await empty();
  await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": "refused" });
  const refused = Object.assign(new Error("too large"), { type: "MESSAGE_TOO_LARGE" });
  await announce({ producer: refusing(refused) });
  const dead = await status("refused");
  assert.equal(dead.state, "not announced");
  assert.match(String(dead.failure), /MESSAGE_TOO_LARGE/);
  assert.deepEqual((await query("select status, status_msg from track_upload('refused') limit 1"))[0], {
    status: "error",
    status_msg: dead.failure,
  });
  assert.equal((await query("select redrive_announcements('another') as n"))[0]?.n, 0);
  assert.equal((await query("select redrive_announcements('refused') as n"))[0]?.n, 1);
  await announce();
  assert.equal((await status("refused")).state, "announced");
  assert.equal((await query("select redrive_announcements() as n"))[0]?.n, 0);
});

test("a row that nobody understands, or of another store, does not stand in the way", async () => {
  await empty();
  for (const id of ["broken", "elsewhere", "fine"])
    await ingress.upload([archivePart(id)], { "x-rh-insights-request-id": id });
  await query("update archive set metadata = '[]' where request_id = 'broken'");
  await query("update archive set store = 's3' where request_id = 'elsewhere'");
  await announce();
  const states = await query("select request_id, state, failure from upload_status order by request_id");
  assert.deepEqual(
    states.map(({ request_id, state }) => [request_id, state]),
    [
      ["broken", "not announced"],
      ["elsewhere", "stored"],
      ["fine", "announced"],
    ],
  );
  assert.equal(states[1]?.failure, 'The archive is in the store "s3", not in "database".');
});

test("who comes after the end of his lease has nothing to say any more", async () => {
  await empty();
  await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": "lease" });
  const claim = () => query("select id, attempt from ccx.claim_upload_messages(10, '-1 second', '1 day')");
  const [slow] = await claim();
  const [quick] = await claim();
  assert.deepEqual([slow?.id, slow?.attempt, quick?.attempt], [quick?.id, 1, 2]);
  const settle = (row: object | undefined, sent: boolean) =>
    query("select sent, retried, dead from ccx.settle_upload_messages($1)", [
      JSON.stringify([{ ...row, sent, permanent: !sent, tried: true, failure: "x", error: "x" }]),
    ]);
  assert.deepEqual(await settle(slow, false), [{ sent: 0, retried: 0, dead: 0 }]);
  assert.deepEqual(await settle(quick, true), [{ sent: 1, retried: 0, dead: 0 }]);
});

test("upload_status says where an upload is, for how long, and why it failed", async () => {
  await empty();
  for (const id of ["done", "bad"])
    await ingress.upload([archivePart(id)], {
      "x-rh-insights-request-id": id,
      "x-rh-identity": identity("42", { cluster }),
    });
  assert.equal((await status("done")).state, "stored");
  await announce();
  const note = (id: string, status: string, message: string, after: string) =>
    query(
      `select ccx.note_payload_status($1, 'ccx-analyze', $2, $3, 99, '1', (
         select max(coalesce(sent_at, noted_at)) from upload_message) + $4::interval)`,
      [id, status, message, after],
    );
  await note("done", "processing", "rules run", "1 s");
  assert.equal((await status("done")).state, "processing");
  await note("done", "success", "published", "3 s");
  await note("bad", "error", "the archive is cut", "1 s");
  await note("foreign", "error", "HTTP 404", "1 s");
  const done = await status("done");
  assert.deepEqual(
    [done.state, done.org_id, done.cluster, done.failure, done.ended_by, done.is_kept],
    ["done", "42", cluster, null, "ccx-analyze", true],
  );
  const [times] = await query(
    `select processing = '3 s' as processing, waiting > '0' as waiting, announcing > '0' as announcing,
       storing >= '0' as storing, whole = ended_at - received_at as whole
     from upload_status where request_id = 'done'`,
  );
  assert.deepEqual(times, { processing: true, waiting: true, announcing: true, storing: true, whole: true });
  const bad = await status("bad");
  assert.deepEqual([bad.state, bad.failure], ["failed", "the archive is cut"]);
  const foreign = await status("foreign");
  assert.deepEqual([foreign.state, foreign.org_id, foreign.is_kept], ["failed", "99", false]);
});

test("contents go by age and by size, the oldest first, and never before they are announced", async () => {
  await empty();
  const ids = ["old", "waiting", "a", "b", "c"];
  for (const id of ids) await ingress.upload([archivePart("12345")], { "x-rh-insights-request-id": id });
  await announce();
  await query(
    "update upload_message set sent_at = null, due_at = 'infinity' where request_id = 'waiting' and kind = 'announcement'",
  );
  await query("update archive set stored_at = now() - interval '1 hour' * (10 - archive_id % 10)");
  await query(
    "update archive set stored_at = now() - interval '50 hours' where request_id in ('old', 'waiting')",
  );
  const tidy = async () =>
    tidyArchives(database.pool, ingress.store, (await archiveIdentity(database.pool)).prefix, log);
  const kept = async () =>
    (await query("select request_id from archives where is_kept order by stored_at, archive_id")).map(
      ({ request_id }) => request_id,
    );
  assert.deepEqual(await tidy(), { past: 1, orphans: 0 });
  const left = await kept();
  assert.deepEqual(left.toSorted(), ["a", "b", "c", "waiting"]);
  await query("select set_archive_limits('2 days', 10)");
  // its analysis waits, or waits no more, or is of somebody else's upload of that name
  await query(
    `insert into analysis (topic, partition, kafka_offset, request_id, org_id, received_at, state, next_attempt_at)
     values ('t', 0, 0, $1, 42, now(), 'waiting', now()), ('t', 0, 0, $1, 43, now(), 'waiting', now())`,
    [left[1]],
  );
  assert.deepEqual(await tidy(), { past: 0, orphans: 0 });
  await query(
    "update analysis set state = 'dead', failure = 'ratio', next_attempt_at = null where org_id = 42",
  );
  assert.deepEqual(await tidy(), { past: 1, orphans: 0 });
  assert.deepEqual(
    await kept(),
    left.filter((id) => id !== left[1]),
  );
  assert.equal((await query("select count(*) as n from archive_chunk"))[0]?.n, "3");
  assert.equal((await status("old")).is_kept, false);
  await query("select set_archive_limits('2 days')");
  await assert.rejects(query("select set_archive_limits('1 minute')"), { code: "NTU01" });
  await assert.rejects(query("select set_archive_limits(null)"), { code: "NTU01" });
  await assert.rejects(query("select set_archive_limits('1 day', 0)"), { code: "NTU02" });

  await query("update archive set stored_at = now() - interval '40 days'");
  await query("select retain() from generate_series(1, 3)");
  assert.deepEqual(
    await kept(),
    await query("select request_id from archive order by stored_at, archive_id").then((all) =>
      all.map(({ request_id }) => request_id),
    ),
    "rows go once their content has gone",
  );
});

test("an object that no archive has is removed after an hour, and nobody else's", async () => {
  await empty();
  await ingress.upload([archivePart("kept")], { "x-rh-insights-request-id": "kept" });
  const { prefix } = await archiveIdentity(database.pool);
  const put = async (key: string) => database.pool.query("select ccx.put_chunk($1, 0, 'x')", [key]);
  await put(`${prefix}/42/orphan`);
  await put(`${prefix}/42/young`);
  await put("others/42/orphan");
  await put(`${prefix}0/42/orphan`);
  await query(
    "update archive_chunk set stored_at = now() - interval '2 hours' where object_key not like '%young'",
  );
  const trouble: string[] = [];
  const stubborn: ObjectStore = Object.assign(new DatabaseStore(database.pool, ""), {
    delete: async (key: string) => {
      trouble.push(key);
      throw new Error("no");
    },
  });
  assert.deepEqual(await tidyArchives(database.pool, stubborn, prefix, log), { past: 0, orphans: 0 });
  assert.deepEqual(trouble, [`${prefix}/42/orphan`]);
  assert.deepEqual(await tidyArchives(database.pool, ingress.store, prefix, log), { past: 0, orphans: 1 });
  const left = (await query("select object_key from archive_chunk")).map(({ object_key }) =>
    String(object_key),
  );
  assert.equal(left.length, 4);
  assert.ok(!left.includes(`${prefix}/42/orphan`));
});

test("the sweep wakes the task that a lost wake-up left asleep", async () => {
  await empty();
  await ingress.upload([archivePart("x")]);
  await query("delete from graphile_worker._private_jobs");
  const [swept] = await query("select woken from ccx.sweep()");
  assert.match(String(swept?.woken), /announce_uploads/);
});

test("messages are claimed when they are due, by one process, and settled once", async () => {
  await empty();
  await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": "once" });
  const claim = (db: Db, at = "now") =>
    rows(db, "select id, attempt from ccx.claim_upload_messages(10, '1 minute', '1 day', $1)", [at]);
  assert.deepEqual(await claim(database.pool, "2020-01-01"), [], "not before they are due");
  const other = await database.pool.connect();
  try {
    await other.query("begin; set local statement_timeout = '10s'");
    const held = await claim(other);
    assert.equal(held.length, 2);
    const quick = await database.pool.connect();
    await quick.query("begin; set local statement_timeout = '1s'");
    assert.deepEqual(await claim(quick), [], "nobody waits for what somebody else has");
    await quick.query("rollback");
    quick.release();
    await other.query("commit");
    const settle = async (row: object, more: object) =>
      (
        await query("select sent, retried, dead from ccx.settle_upload_messages($1)", [
          JSON.stringify([{ ...row, failure: "x", error: "e".repeat(2_000), ...more }]),
        ])
      )[0];
    const [first, second] = held;
    const untried = { sent: false, permanent: false, tried: false };
    assert.deepEqual(await settle(first ?? {}, untried), { sent: 0, retried: 1, dead: 0 });
    const [after] = await query(
      "select attempts, length(error) as n from upload_message where message_id = $1",
      [first?.id],
    );
    assert.deepEqual(after, { attempts: 0, n: 1_000 }, "what was not tried is no attempt");
    const done = { sent: true, permanent: false, tried: true };
    assert.deepEqual(await settle(second ?? {}, done), { sent: 1, retried: 0, dead: 0 });
    assert.deepEqual(await settle(second ?? {}, done), { sent: 0, retried: 0, dead: 0 }, "it has ended");
  } finally {
    other.release();
  }
});

test("what was given up is announced again by a new URL, at once, while its content is kept", async () => {
  await empty();
  for (const id of ["kept", "gone"])
    await ingress.upload([archivePart(id)], { "x-rh-insights-request-id": id });
  await query(
    `update upload_message set due_at = null, died_at = now(), signed_at = now() where kind = 'announcement'`,
  );
  await query("update archive set removed_at = now() where request_id = 'gone'");
  await query("delete from graphile_worker._private_jobs");
  assert.equal((await query("select redrive_announcements() as n"))[0]?.n, 1);
  assert.deepEqual(
    await query(
      `select request_id, signed_at from upload_message where kind = 'announcement' and due_at is not null`,
    ),
    [{ request_id: "kept", signed_at: null }],
  );
  const woken = async () =>
    (await query("select key from graphile_worker.jobs where key = 'announce_uploads'")).length;
  assert.equal(await woken(), 1);
  await query("delete from graphile_worker._private_jobs");
  await query("select ccx.note_payload_status('kept', 'x', 'processing', '', 99, '1')");
  assert.equal(await woken(), 1);
  const [said] = await query("select org_id, account_number from track_upload('kept') limit 1");
  assert.deepEqual(said, { org_id: "42", account_number: "6212377" }, "of whom it is, the archive says");
  // Kafka is away again while somebody has fetched it already
  await query("update upload_message set error = 'away' where request_id = 'kept' and kind = 'announcement'");
  assert.deepEqual([(await status("kept")).state, (await status("kept")).failure], ["processing", null]);

  await query("select ccx.note_payload_status('early', 'x', 'processing', '', 42, '1')");
  await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": "early" });
  assert.equal((await query("select from upload_status where request_id = 'early'")).length, 1);
});

test("contents are removed the oldest first, noted once, and not noted when they cannot be removed", async () => {
  await empty();
  const { prefix } = await archiveIdentity(database.pool);
  for (const id of ["new", "old"])
    await ingress.upload([archivePart(id)], { "x-rh-insights-request-id": id });
  await announce();
  await query(
    "update archive set stored_at = now() - case request_id when 'old' then 60 else 50 end * interval '1 hour'",
  );
  const due = (most: number) =>
    query("select archive_id from ccx.archives_to_remove('database', $1)", [most]);
  const [old, recent] = await query("select archive_id from archive order by stored_at");
  assert.deepEqual([await due(1), await due(9)], [[old], [old, recent]]);
  const asked: string[] = [];
  const stubborn: ObjectStore = Object.assign(new DatabaseStore(database.pool, ""), {
    delete: async (key: string) => {
      asked.push(key);
      throw new Error("no");
    },
  });
  assert.deepEqual(await tidyArchives(database.pool, stubborn, prefix, log), { past: 0, orphans: 0 });
  assert.equal(asked.length, 2, "each once");
  assert.equal((await due(9)).length, 2);
  const note = async () =>
    (await query("select ccx.note_removed(array[$1::bigint]) as n", [old?.archive_id]))[0]?.n;
  assert.deepEqual([await note(), await note()], [1, 0]);
  const [room] = await query("select kept_archives, past_archives from ccx.archive_room()");
  assert.deepEqual(room, { kept_archives: "1", past_archives: "1" });
  // whose row says that it is gone, is nobody's object: the process died between the two
  await query("update archive_chunk set stored_at = now() - interval '2 hours'");
  assert.deepEqual(await tidyArchives(database.pool, ingress.store, prefix, log), { past: 1, orphans: 1 });
});
