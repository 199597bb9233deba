import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import type { Pool } from "pg";
import { ContentTexts } from "../../src/content/render/texts.ts";
import type { RenderedNotification } from "../../src/deliver/claimed.ts";
import { deliverDue } from "../../src/deliver/deliver_due.ts";
import { NotificationsBackend } from "../../src/deliver/notifications_backend/target.ts";
import { failure, type Outcome, success } from "../../src/deliver/outbox.ts";
import { ServiceLogTarget } from "../../src/deliver/service_log/target.ts";
import { startWithinMs, type Target } from "../../src/deliver/target.ts";
import { DeliveryError } from "../../src/errors.ts";
import type { MessageProducer } from "../../src/kafka/producer.ts";
import { createLogger } from "../../src/log.ts";
import { reportAndDecide, rows, serviceLog, setPolicy, someMessages, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { aRow } from "./rows.ts";
import { scene } from "./service_log/scene.ts";

const database = testDatabase();
const log = createLogger("silent");
let texts: ContentTexts | undefined;
after(() => texts?.dispose());

beforeEach(async () => {
  texts ??= await ContentTexts.create(database.pool, log);
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification,
       notified_issue, reported;
     delete from graphile_worker._private_jobs;
     update circuit set failures = 0, failed_messages = '{}', opened_at = null, retry_at = null, probe_until = null, failed_probes = 0`,
  );
});

/** So many messages wait for the notifications backend. */
async function waiting(count: number): Promise<void> {
  const now = new Date(Date.now() - 1_000).toISOString();
  await setPolicy(database.pool, serviceLog, { enabled: false }, now);
  await someMessages(database.pool, now, count);
}

/** A target that takes a few at a time; `send` says what becomes of them. */
function target(
  batchSize: number,
  send: (batch: RenderedNotification[], mayStart: () => boolean) => Promise<Outcome[]>,
): Target {
  return {
    name: "notifications backend",
    batchSize,
    leaseMs: 60_000,
    texts: [],
    format: "html",
    async *send(batch, mayStart) {
      yield await send(batch, mayStart);
    },
    close: async () => undefined,
  };
}

const deliver = (to: Target, signal?: AbortSignal) =>
  deliverDue(to, database.pool, texts as ContentTexts, log, signal);
const leased = async () =>
  Number(await value(database.pool, "select count(*) from notification where leased_until is not null"));
/** What is as if nobody had touched it: due now, no attempt spent. */
const untouched = async () =>
  Number(
    await value(
      database.pool,
      `select count(*) from notification
       where state = 'pending' and attempts = 0 and leased_until is null and first_tried_at is null
         and failure is null and last_error is null and next_attempt_at <= now()`,
    ),
  );

test("while a full batch goes out the next one is claimed, and no more; each message goes out once", async () => {
  await waiting(5);
  const sent: string[] = [];
  let most = 0;
  await deliver(
    target(2, async (batch) => {
      const expected = Math.min(4, 5 - sent.length);
      await until("the next batch is claimed", async () => (await leased()) === expected);
      most = Math.max(most, await leased());
      sent.push(...batch.map(({ id }) => id));
      return batch.map((row) => success(row, {}));
    }),
  );
  assert.equal(most, 4);
  assert.deepEqual([sent.length, new Set(sent).size], [5, 5]);
  assert.equal(
    await value(database.pool, "select count(*)::integer from notification where state = 'sent'"),
    5,
  );
});

/** The pool, where each of these statements finds the database away the first two times. */
function awayFor(...names: string[]): Pool {
  const left = new Map(names.map((name) => [name, 2]));
  return new Proxy(database.pool, {
    get(pool, property) {
      if (property !== "query") return Reflect.get(pool, property);
      return (...query: Parameters<typeof pool.query>) => {
        const { name = "" } = (query as unknown as { name?: string }[])[0] ?? {};
        const tries = left.get(name) ?? 0;
        left.set(name, tries - 1);
        if (tries > 0) throw Object.assign(new Error("away"), { code: tries > 1 ? "57P01" : "ECONNREFUSED" });
        return pool.query(...query);
      };
    },
  });
}

test("while the database is away what was sent is kept in mind, and settled when it is back; nothing goes out twice", async () => {
  await waiting(4);
  const sent: string[] = [];
  const backend = target(3, async (batch) => {
    sent.push(...batch.map(({ id }) => id));
    return batch.map((row) => success(row, {}));
  });
  await deliverDue(
    backend,
    awayFor("claim_notifications", "settle_notifications"),
    texts as ContentTexts,
    log,
  );
  assert.equal(new Set(sent).size, 4);
  assert.equal(sent.length, 4);
  const states = "select count(*)::integer from notification where state = 'sent' and attempts = 1";
  assert.equal(await value(database.pool, states), 4);
});

test("one message that the database does not let settle does not keep the others from it", async () => {
  await waiting(5);
  await database.pool.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
     create trigger refuse before update on notification for each row
       when (new.state = 'sent' and new.id % 5 = 0) execute function refuse()`,
  );
  try {
    const backend = target(5, async (batch) => batch.map((row) => success(row, {})));
    await deliver(backend);
    const ended = await rows(
      database.pool,
      "select state, failure, count(*)::integer, max(last_error) as error from notification group by 1, 2 order by 1",
    );
    assert.deepEqual(ended, [
      ...[{ state: "dead", failure: "unsettled", count: 1, error: "it is out, and cannot be settled: no" }],
      ...[{ state: "sent", failure: null, count: 4, error: null }],
    ]);
    const live = "select count(*)::integer from notified_issue where live";
    assert.equal(await value(database.pool, live), 5, "it goes on to count as notified");
    assert.equal(await value(database.pool, "select count(*)::integer from dead_letter"), 1);
  } finally {
    await database.pool.query("drop trigger refuse on notification; drop function refuse()");
  }
});

for (const [what, rule] of Object.entries({
  "a statement that takes too long": "raise exception 'slow' using errcode = '57014'",
  "somebody's trigger": "raise exception 'slow'",
  "a fault that nobody expected": "raise exception 'slow' using errcode = 'XX001'",
})) {
  test(`one message that cannot be claimed does not keep the others from it: ${what}`, async () => {
    await waiting(5);
    await database.pool.query(
      `create function refuse() returns trigger language plpgsql as $$ begin ${rule}; end $$;
       create trigger refuse before update on notification for each row
         when (new.attempts = 1 and new.leased_until is not null and new.state = 'pending' and new.id % 5 = 0
           and new.last_error is null and current_query() ~ 'claim_notifications')
         execute function refuse()`,
    );
    try {
      const sent: string[] = [];
      await deliver(
        target(4, async (batch) => {
          sent.push(...batch.map(({ id }) => id));
          return batch.map((row) => success(row, {}));
        }),
      );
      assert.equal(sent.length, 4);
      const dead = "select failure, last_error as error from notification where state = 'dead'";
      assert.deepEqual(await rows(database.pool, dead), [
        { failure: "schema", error: "it cannot be claimed: slow" },
      ]);
    } finally {
      await database.pool.query("drop trigger refuse on notification; drop function refuse()");
    }
  });
}

test("what waited for the batch before it goes out in the same round, though it could not be claimed ahead", async () => {
  await waiting(1);
  const cluster = String(await value(database.pool, "select cluster from notification"));
  await reportAndDecide(database.pool, cluster, new Date().toISOString(), ["disk", "net"]);
  await deliver(target(1, async (batch) => batch.map((row) => success(row, {}))));
  assert.equal(
    await value(database.pool, "select count(*)::integer from notification where state = 'sent'"),
    2,
  );
});

test("what is wrong with many messages is one line of the log, with their number", async () => {
  await waiting(4);
  const lines: Record<string, unknown>[] = [];
  const said = createLogger("warn", { write: (line) => void lines.push(JSON.parse(line)) });
  const backend = target(4, async (batch) =>
    batch.map((row) => failure(row, new DeliveryError("broker", "no such topic"))),
  );
  await deliverDue(backend, database.pool, texts as ContentTexts, said);
  assert.deepEqual(
    lines.map(({ msg, messages, error }) => [msg, messages, error]),
    [["delivery failed", 4, "no such topic"]],
  );
});

test("what was claimed ahead is given back when the circuit opens", async () => {
  await waiting(12);
  let sends = 0;
  await deliver(
    target(6, async (batch) => {
      sends++;
      return batch.map((row) => failure(row, new DeliveryError("server", "it answered 503")));
    }),
  );
  assert.equal(sends, 1);
  assert.equal(await untouched(), 6);
});

test("what was claimed ahead is given back before a stop, and when sending fails in a way nobody expected", async () => {
  await waiting(12);
  const stop = new AbortController();
  await deliver(
    target(6, async (batch, mayStart) => {
      assert.equal(mayStart(), true);
      stop.abort();
      assert.equal(mayStart(), false);
      return batch.map((row) => success(row, {}));
    }),
    stop.signal,
  );
  assert.equal(await untouched(), 6);
  await waiting(6);
  const broken = target(6, () => Promise.reject(new Error("out of order")));
  await assert.rejects(deliver(broken), /out of order/);
  assert.equal(await untouched(), 6);
});

test("what has been claimed too long ago is not begun", async (t) => {
  await waiting(3);
  t.mock.method(performance, "now", () => 0);
  const states: boolean[] = [];
  await deliver(
    target(6, async (batch, mayStart) => {
      states.push(mayStart());
      t.mock.method(performance, "now", () => startWithinMs);
      states.push(mayStart());
      return batch.map((row) => success(row, {}));
    }),
  );
  assert.deepEqual(states, [true, false]);
});

test("the broker gets nothing of what may not be begun any more", async () => {
  const unused = new Proxy({} as MessageProducer, {
    get: () => assert.fail("it was asked to send"),
  });
  const to = new NotificationsBackend(unused, "nowhere", { clusterUrl: "https://example.com", ruleUrl: "" });
  const row = aRow();
  const outcomes = await Array.fromAsync(to.send([row], () => false));
  assert.deepEqual(outcomes.flat(), [
    { id: row.id, attempt: row.attempt, sent: false, failure: null, tried: false },
  ]);
});

async function serviceLogTarget(concurrency: number) {
  const { client, tokens, receiver, ...rest } = await scene();
  const to = new ServiceLogTarget({
    client,
    tokens,
    entry: {
      ruleUrl: "https://example.com/{cluster_id}/{module}/{error_key}",
      createdBy: "someone",
      username: "insights-advisor",
    },
    concurrency,
    timeoutMs: 2_000,
  });
  return { to, client, receiver, [Symbol.asyncDispose]: rest[Symbol.asyncDispose] };
}

const someRows = (count: number) =>
  Array.from({ length: count }, (_, nth) => ({
    ...aRow({}, { severity: "Major" }),
    id: String(nth),
    attempt: 1,
  }));

test("the Service Log gets what may be begun, and the rest is released", async () => {
  await using it = await serviceLogTarget(2);
  let asked = 0;
  const outcomes: Outcome[] = [];
  for await (const some of it.to.send(someRows(10), () => asked++ < 3)) outcomes.push(...some);
  const kinds = outcomes.map((outcome) => (outcome.sent ? "sent" : outcome.failure));
  assert.deepEqual(kinds.sort(), [null, null, null, null, null, null, null, "sent", "sent", "sent"].sort());
  assert.equal(it.receiver.requests.posts, 3);
});

test("after a failure the Service Log gets nothing more before it has been settled", async () => {
  await using it = await serviceLogTarget(2);
  it.receiver.behave({ status: 503 }, { status: 503 });
  const sending = it.to.send(someRows(6), () => true);
  await sending.next();
  // as if the settlement took as long as these
  for (let n = 0; n < 3; n++) await it.client.search("nobody");
  assert.equal(it.receiver.requests.posts, 2);
  let more = 0;
  for (let next = await sending.next(); !next.done; next = await sending.next()) more += next.value.length;
  assert.ok(more >= 4);
  assert.equal(it.receiver.requests.posts, 6);
});
