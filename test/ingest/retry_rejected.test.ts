import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { retryRejected } from "../../src/ingest/retry.ts";
import { aMessage, aRejected, ingest, jobs, openIssues, type Row, rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const none = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, done_already: 0 };

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, consumer_offset, rejected_message restart identity;
     delete from graphile_worker._private_jobs`,
  );
});

/**
 * A message that was rejected although it conforms: what is wrong with it a new version knows how to read.
 */
const refusedOnce = (offset: number, value: string | Buffer | null, reason = "not_storable"): Row => ({
  ...aRejected(offset, reason),
  value: value === null ? null : Buffer.from(value).toString("base64"),
});

const given = (messages: Row[], partition = 0) => ingest(database.pool, messages, { at, partition });
const states = async () =>
  (
    await rows(
      database.pool,
      `select concat_ws(' ', kafka_offset, reason, attempts, case when stored_at is not null then 'stored' end) as state
       from rejected_message order by id`,
    )
  ).map(({ state }) => state);

test("what conforms by now is stored as if it had just arrived; the rest stays, with its reason renewed", async () => {
  const [plain, zipped] = [aCluster(), aCluster()];
  await given([
    refusedOnce(0, aReport(plain, ["bug"])),
    refusedOnce(1, "{"),
    refusedOnce(2, gzipSync(aReport(zipped, ["bug"]))),
    refusedOnce(3, null),
    refusedOnce(4, aReport(plain, [], { OrgID: 77, Version: 256 })),
  ]);
  assert.deepEqual(await jobs(database.pool).then(Object.keys), ["forward_rejected"], "nobody decides yet");

  assert.deepEqual(await retryRejected(database.pool, {}), { ...none, stored: 2, rejected: 3 });
  assert.deepEqual(await states(), [
    "0 not_storable 2 stored",
    "1 not_json 2",
    "2 not_storable 2 stored",
    "3 tombstone 2",
    "4 invalid_version 2",
  ]);
  assert.deepEqual(
    await rows(
      database.pool,
      "select org_id, cluster, detail, retried_at > received_at as later from rejected_message where kafka_offset = 4",
    ),
    [
      {
        org_id: "77",
        cluster: plain,
        detail: "Version has to be a whole number from 0 to 255, but is 256.",
        later: true,
      },
    ],
  );
  assert.deepEqual(await openIssues(database.pool, plain), ["bug_1766907|BUGZILLA_BUG_1766907"]);
  assert.equal(
    await value(database.pool, "select bool_and(received_at > now() - interval '1 minute') from new_reports"),
    true,
  );
  assert.equal(await value(database.pool, "select next_offset from consumer_offset"), "5", "no offset moves");
  assert.ok("decide" in (await jobs(database.pool)), "its decision is asked for");
  assert.equal(await value(database.pool, "select count(*)::integer from decision_due"), 2);

  assert.deepEqual(
    await retryRejected(database.pool, {}),
    { ...none, rejected: 3 },
    "what is stored is done",
  );
  assert.deepEqual((await states())[1], "1 not_json 3");
});

test("only what is asked for is tried: by reason, topic, organization, cluster, time, position and id", async () => {
  const cluster = aCluster();
  await given([refusedOnce(0, "{"), { ...refusedOnce(1, "{", "invalid_version"), org_id: 7, cluster }]);
  await given([refusedOnce(0, "{")], 1);
  const tried = async (filter: Parameters<typeof retryRejected>[1]) => {
    await database.pool.query("update rejected_message set attempts = 1");
    await retryRejected(database.pool, filter);
    return rows(
      database.pool,
      "select id::integer from rejected_message where attempts > 1 order by id",
    ).then((all) => all.map(({ id }) => id));
  };
  assert.deepEqual(await tried({ org: "7" }), [2]);
  await database.pool.query(
    "update rejected_message set org_id = 7, cluster = $1, reason = 'empty' where id = 2",
    [cluster],
  );
  assert.deepEqual(await tried({ cluster: cluster.toUpperCase() }), [2]);
  assert.deepEqual(await tried({ reason: "not_storable" }), [1, 3]);
  assert.deepEqual(await tried({ topic: "other" }), []);
  assert.deepEqual(await tried({ topic: "results" }), [1, 2, 3]);
  assert.deepEqual(await tried({ since: at }), [1, 2, 3]);
  assert.deepEqual(await tried({ until: at }), []);
  assert.deepEqual(await tried({ places: ["results/1/0", "2"] }), [2, 3]);
  assert.deepEqual(await tried({ places: ["3"], topic: "other" }), []);
  await assert.rejects(
    retryRejected(database.pool, { places: ["results/1"] }),
    /neither TOPIC\/PARTITION\/OFFSET nor the id/,
  );
});

test("of one report several times the last one to arrive counts, whatever its offset; an older one displaces nothing", async () => {
  const cluster = aCluster();
  const [older, first, second] = [
    aReport(cluster, ["tutorial"]),
    aReport(cluster, ["bug"]),
    aReport(cluster, ["proxy"]),
  ];
  const again = JSON.stringify({ ...JSON.parse(second), LastChecked: JSON.parse(first).LastChecked });
  await given([refusedOnce(9, first)]);
  await given([refusedOnce(1, again), refusedOnce(2, older), refusedOnce(3, again)], 1);
  assert.deepEqual(await retryRejected(database.pool, {}), { ...none, stored: 2, replaced: 1, unchanged: 1 });
  assert.deepEqual(await openIssues(database.pool, cluster), [
    "cluster_wide_proxy_auth_check|AUTH_OPERATOR_PROXY_ERROR",
  ]);
  assert.deepEqual(await rows(database.pool, "select * from drift"), []);
});

test("a message that the database refuses is rejected again as not_storable, those beside it are stored", async () => {
  await database.pool.query("alter table new_reports add constraint no_org_13 check (org_id <> 13)");
  try {
    await given(
      [13, 14, 15].map((OrgID, nth) => refusedOnce(nth, aReport(aCluster(), [], { OrgID }), "empty")),
    );
    assert.deepEqual(await retryRejected(database.pool, {}), { ...none, stored: 2, rejected: 1 });
    assert.deepEqual(await states(), ["0 not_storable 2", "1 empty 2 stored", "2 empty 2 stored"]);
    assert.equal(await value(database.pool, "select org_id from rejected_message where id = 1"), "13");
  } finally {
    await database.pool.query("alter table new_reports drop constraint no_org_13");
  }
});

test("more than a portion is tried, each message once, and nothing is skipped", async () => {
  const broken = Array.from({ length: 1203 }, (_, nth) =>
    refusedOnce(nth, nth % 2 ? "{" : aReport(aCluster(), [])),
  );
  await given(broken);
  assert.deepEqual(await retryRejected(database.pool, {}), { ...none, stored: 602, rejected: 601 });
  assert.equal(
    await value(database.pool, "select count(*)::integer from rejected_message where attempts <> 2"),
    0,
  );
});

test("large messages are read a few at a time", async () => {
  const large = (nth: number) => refusedOnce(nth, Buffer.alloc(5 * 1024 * 1024, 32));
  for (const nth of [0, 1, 2]) await given([large(nth)]);
  const queries: number[] = [];
  const watched = new Proxy(database.pool, {
    get(pool, name) {
      if (name !== "query") return Reflect.get(pool, name);
      return async (...args: unknown[]) => {
        const result = await (pool.query as (...args: unknown[]) => Promise<{ rows: Row[] }>)(...args);
        if (JSON.stringify(args[0]).includes("next_rejected")) queries.push(result.rows.length);
        return result;
      };
    },
  });
  assert.deepEqual(await retryRejected(watched, {}), { ...none, rejected: 3 });
  assert.deepEqual(queries, [1, 1, 1, 0]);
});

test("two retries at once store a message once", async () => {
  await given([refusedOnce(0, aReport(aCluster(), ["bug"]))]);
  const message = aMessage(0, aCluster(), at, ["disk"], { id: 1 });
  const retry = "select * from retry_rejected($1::jsonb)";
  await twoSessions(database.pool, async (one, other) => {
    const [first] = await rows(one, retry, [JSON.stringify([message])]);
    assert.deepEqual(first, { ...none, stored: 1 });
    const second = rows(other, retry, [JSON.stringify([message])]);
    await waitsForLock(database.pool, other, second);
    await one.query("commit");
    assert.deepEqual(await second, [{ ...none, done_already: 1 }]);
    await other.query("commit");
  });
  assert.deepEqual(await states(), ["0 not_storable 2 stored"]);
});

test("a retry that is cut off in the middle leaves the message as it was", async () => {
  await given([refusedOnce(0, aReport(aCluster(), ["bug"]))]);
  await twoSessions(database.pool, async (one, other) => {
    const retry = (db: typeof one) =>
      rows(db, "select * from retry_rejected($1::jsonb)", [
        JSON.stringify([aMessage(0, aCluster(), at, [], { id: 1 })]),
      ]);
    await retry(one);
    const second = retry(other);
    await waitsForLock(database.pool, other, second);
    await one.query("rollback"); // as the server does when the client is gone
    assert.deepEqual(await second, [{ ...none, stored: 1 }]);
  });
  assert.deepEqual(await states(), ["0 not_storable 1"]);
  assert.equal(await value(database.pool, "select count(*)::integer from new_reports"), 0);
});

test("rejected_summary counts by hour, topic and reason, with an example that still waits", async () => {
  await given([
    refusedOnce(0, "{", "empty"),
    refusedOnce(1, aReport(aCluster(), []), "empty"),
    refusedOnce(2, "[]", "not_json"),
  ]);
  await ingest(database.pool, [refusedOnce(3, "{", "empty")], { at: "2026-03-01T13:10:00Z" });
  await database.pool.query("update rejected_message set stored_at = now() where kafka_offset = 1");
  const summary = await rows(
    database.pool,
    "select hour, topic, reason, messages, waiting, first_at, last_at, example_id, example, example_detail from rejected_summary order by hour, reason",
  );
  const hour = { topic: "results", example_detail: "it is" };
  const twelve = { ...hour, hour: at, first_at: at, last_at: at };
  const late = "2026-03-01T13:10:00Z";
  assert.deepEqual(summary, [
    { ...twelve, reason: "empty", messages: "2", waiting: "1", example_id: "1", example: "results/0/0" },
    { ...twelve, reason: "not_json", messages: "1", waiting: "1", example_id: "3", example: "results/0/2" },
    {
      ...hour,
      hour: "2026-03-01T13:00:00Z",
      first_at: late,
      last_at: late,
      reason: "empty",
      messages: "1",
      waiting: "1",
      example_id: "4",
      example: "results/0/3",
    },
  ]);
});
