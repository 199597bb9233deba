import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  type Claimed,
  claim,
  claimOne,
  delivered,
  failed,
  jobs,
  type Row,
  reportAndDecide,
  rows,
  settle,
  settleAll,
  someMessages,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const after = (seconds: number) => new Date(Date.parse(at) + seconds * 1000).toISOString();

const circuit = async (db: PoolClient) => (await rows(db, "select * from circuit where target_id = 1"))[0];
const isOpen = async (db: PoolClient) => (await circuit(db))?.opened_at !== null;
/** Seconds after `at` until nothing is claimed. */
const heldS = async (db: PoolClient) =>
  (Date.parse(String((await circuit(db))?.retry_at)) - Date.parse(at)) / 1000;

/** So many messages, claimed and failed one after the other, as the Service Log settles them. */
async function failures(db: PoolClient, count: number, changes: Row = {}): Promise<(string | null)[]> {
  await someMessages(db, at, count);
  const changed: (string | null)[] = [];
  for (const claimed of (await claim(db, at)) as Claimed[])
    changed.push((await settleAll(db, [failed(claimed, changes)], at)).circuit as string | null);
  await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
  return changed;
}

/** The circuit has been open for a while, and may be probed now. */
async function openCircuit(db: PoolClient): Promise<void> {
  await failures(db, 5);
  await db.query("update circuit set retry_at = $1 where target_id = 1", [at]);
  await db.query("update notification set next_attempt_at = '2026-03-02'");
}

for (const failure of ["server", "timeout", "network", "broker", "auth"])
  test(`five different messages in a row that fail by ${failure} open the circuit`, () =>
    rolledBack(database.pool, async (db) => {
      assert.deepEqual(await failures(db, 5, { failure }), [null, null, null, null, "opened"]);
      const delay = await heldS(db);
      assert.ok(delay >= 1.5 && delay <= 2.5, `${delay} s`);
      const { last_failure, last_error, last_failed_at, failures: count } = (await circuit(db)) ?? {};
      assert.deepEqual([last_failure, last_error, count], [failure, "it answered 503", 5]);
      assert.equal(last_failed_at, at);
    }));

for (const failure of ["schema", "template", "client"])
  test(`a failure by ${failure} says nothing of the kind`, () =>
    rolledBack(database.pool, async (db) => {
      await failures(db, 8, { failure, permanent: failure !== "client" });
      assert.equal(await isOpen(db), false);
      assert.equal((await circuit(db))?.failures, 0);
    }));

test("a fault of ours does not undo what the others said", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 4);
    await failures(db, 1, { failure: "client" });
    assert.equal((await circuit(db))?.failures, 4);
  }));

test("of a batch that fails as one, five messages are enough", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 5);
    const outcomes = ((await claim(db, at)) as Claimed[]).map((claimed) =>
      failed(claimed, { failure: "broker" }),
    );
    assert.equal((await settleAll(db, outcomes.slice(0, 4), at)).circuit, null);
    assert.equal((await settleAll(db, outcomes.slice(4), at)).circuit, "opened");
  }));

test("one message that fails again and again does not open it, and the others get through", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    for (let nth = 0; nth < 20; nth++) {
      const now = after(nth * 1200);
      await settle(db, [failed(await claimOne(db, now))], now);
    }
    assert.equal((await circuit(db))?.failures, 20);
    assert.equal(await isOpen(db), false);
    assert.equal((await reportAndDecide(db, aCluster(), after(22_800), ["disk"])).notified, 1);
    assert.equal((await claim(db, after(22_800))).length, 1);
  }));

test("a success in between counts from the start", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 4);
    await someMessages(db, at);
    const [other] = (await claim(db, at)) as [Claimed];
    await settle(db, [delivered(other)], at);
    assert.deepEqual([(await circuit(db))?.failures, (await circuit(db))?.failed_messages], [0, []]);
    await failures(db, 4);
    assert.equal(await isOpen(db), false);
  }));

const refused = { failure: "client", permanent: true, not_stored: true };

test("a receiver that refuses everybody opens it, and no message is given up for it", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 4, refused);
    assert.equal(await isOpen(db), false);
    await failures(db, 1, refused);
    assert.equal(await isOpen(db), true);
    assert.deepEqual(await rows(db, "select distinct state from notification"), [{ state: "pending" }]);
  }));

test("a message that is refused while others get through is given up at once", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 2);
    const [one, other] = (await claim(db, at)) as [Claimed, Claimed];
    const settled = await settle(db, [failed(one, refused), delivered(other)], at);
    assert.deepEqual(settled, { sent: 1, retried: 0, dead: 1 });
  }));

test("one that nobody else got through beside waits, and is given up when it is refused after others were not", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await settle(db, [failed(await claimOne(db, at), refused)], at);
    const again = await claimOne(db, after(60));
    assert.equal((await settle(db, [failed(again, refused)], after(60))).retried, 1, "still alone");
    await someMessages(db, after(61));
    await settle(db, [delivered(await claimOne(db, after(61)))], after(61));
    assert.equal((await settle(db, [failed(await claimOne(db, after(300)), refused)], after(300))).dead, 1);
  }));

test("a receiver that asks for time with another failure than rate_limited gets it, too", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 1, { retry_after_ms: 82_800_000, not_stored: true });
    assert.equal(await isOpen(db), true);
    assert.equal((await circuit(db))?.retry_at, "2026-03-02T11:00:00Z");
  }));

test("while it is open nothing is claimed, no attempt is spent and no wake-up hammers", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 5);
    const [cluster = ""] = await someMessages(db, at, 3);
    const before = await rows(db, "select id, attempts, next_attempt_at from notification order by id");
    assert.deepEqual(await claim(db, at), []);
    assert.deepEqual(
      await rows(db, "select id, attempts, next_attempt_at from notification order by id"),
      before,
    );

    // by the real clock, as wake-ups go
    await db.query(
      "update circuit set opened_at = now(), retry_at = now() + interval '3 minutes' where target_id = 1",
    );
    const retryAt = await value(db, "select retry_at from circuit where target_id = 1");
    await db.query("select sweep()");
    assert.deepEqual(await jobs(db), {}, "the sweep wakes nobody");
    await db.query("select wake_delivery('notifications backend')");
    assert.deepEqual(
      await jobs(db),
      { "retry notifications backend": retryAt },
      "a wake-up is for the probe",
    );
    await reportAndDecide(db, cluster, new Date().toISOString(), ["disk", "net"]);
    assert.equal((await jobs(db))["deliver notifications backend"], undefined, "nor does a decision");

    await db.query("update circuit set retry_at = now() where target_id = 1");
    await db.query("select sweep()");
    assert.ok((await jobs(db))["deliver notifications backend"], "then it does");
  }));

test("a failure while it is open wakes for the probe, not for its own retry", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 6);
    const claims = (await claim(db, at)) as [Claimed, ...Claimed[]];
    await settle(
      db,
      claims.slice(1).map((claimed) => failed(claimed)),
      at,
    );
    await db.query("update circuit set retry_at = $1 where target_id = 1", [after(240)]);
    await settle(db, [failed(claims[0])], after(1));
    assert.equal(await heldS(db), 240, "what was under way when it opened does not prolong it");
    assert.equal((await jobs(db))["retry notifications backend"], after(240).replace(".000", ""));
  }));

test("then one worker gets three messages, and nobody else any while it has them", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at, 5);
    const probe = await claim(db, at);
    assert.equal(probe.length, 3);
    assert.deepEqual(await claim(db, after(119)), []);
    assert.equal((await circuit(db))?.probe_until, "2026-03-01T12:02:00Z");
    // its worker was killed
    assert.equal((await claim(db, after(120))).length, 3, "when the lease ends, another one probes");
  }));

test("where nothing is due, nobody has the probe", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    assert.deepEqual(await claim(db, at), []);
    await someMessages(db, at);
    assert.equal((await claim(db, at)).length, 1);
  }));

test("a probe that gets through closes it, and everything flows at once", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at, 6);
    const [one, two] = (await claim(db, at)) as [Claimed, Claimed];
    assert.equal((await settleAll(db, [failed(one)], at)).circuit, null);
    assert.equal((await settleAll(db, [delivered(two)], after(10))).circuit, "closed");
    const { opened_at, retry_at, probe_until, failed_probes, failures, failed_messages } =
      (await circuit(db)) ?? {};
    assert.deepEqual(
      [opened_at, retry_at, probe_until, failed_probes, failures, failed_messages],
      [null, null, null, 0, 0, []],
    );
    assert.ok((await jobs(db))["deliver notifications backend"], "for the other workers");
    assert.equal((await claim(db, after(10))).length, 4, "all but the two, and the one under way");
  }));

test("of a probe that is settled one by one, one success closes it, whatever came first", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at, 3);
    const [one, two, three] = (await claim(db, at)) as [Claimed, Claimed, Claimed];
    assert.equal((await settleAll(db, [failed(one)], after(1))).circuit, null);
    assert.ok((await heldS(db)) > 3, "held for longer");
    assert.equal((await settleAll(db, [delivered(two)], after(2))).circuit, "closed");
    assert.equal((await settleAll(db, [delivered(three)], after(2))).circuit, null);
  }));

test("unless the receiver asked for time: then it waits that long", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at, 3);
    const [one, two, three] = (await claim(db, at)) as [Claimed, Claimed, Claimed];
    const limited = failed(one, { failure: "rate_limited", retry_after_ms: 60_000 });
    assert.equal((await settleAll(db, [limited], at)).circuit, null);
    assert.equal((await settleAll(db, [delivered(two)], after(1))).circuit, null);
    assert.equal(await heldS(db), 60);
    assert.equal((await settleAll(db, [delivered(three)], after(60))).circuit, "closed");
  }));

test("the probe of an earlier time does not close it", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at, 3);
    const [one, two] = (await claim(db, at)) as [Claimed, Claimed];
    assert.equal((await settleAll(db, [delivered(one)], at)).circuit, "closed");
    await failures(db, 5);
    assert.equal((await settleAll(db, [delivered(two)], at)).circuit, null);
    assert.equal(await isOpen(db), true);
  }));

test("what was claimed before it opened, and fails when it is half-open, is no failed probe", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 7);
    const [late, later, ...claims] = (await claim(db, at)) as [Claimed, Claimed, ...Claimed[]];
    await settle(
      db,
      claims.map((claimed) => failed(claimed)),
      at,
    );
    await db.query("update circuit set retry_at = $1 where target_id = 1", [after(30)]);
    await db.query("update notification set next_attempt_at = '2026-03-02'");
    await someMessages(db, at, 2);
    await settle(db, [failed(late)], after(30));
    assert.deepEqual(
      [await heldS(db), (await circuit(db))?.failed_probes],
      [30, 0],
      "where nobody probes yet",
    );
    const [probe, slow] = (await claim(db, after(30))) as [Claimed, Claimed];
    await settle(db, [failed(later)], after(30));
    const { retry_at, probe_until, failed_probes } = (await circuit(db)) ?? {};
    assert.deepEqual(
      [retry_at, probe_until, failed_probes],
      ["2026-03-01T12:00:30Z", "2026-03-01T12:02:30Z", 0],
      "while somebody does",
    );
    await settle(db, [failed(probe)], after(30));
    assert.equal((await circuit(db))?.failed_probes, 1);
    const held = await heldS(db);
    await settle(db, [failed(slow)], after(60));
    assert.deepEqual(
      [await heldS(db), (await circuit(db))?.failed_probes],
      [held, 1],
      "one probe fails once, however late the rest of it does",
    );
  }));

test("a probe that is refused keeps it open: what refuses everybody may be no receiver", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at);
    assert.equal((await settleAll(db, [failed(await claimOne(db, at), refused)], at)).circuit, null);
    assert.equal(await isOpen(db), true);
  }));

test("a probe that fails keeps it open, longer each time, five minutes at most", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    const expected = [4, 8, 16, 32, 64, 128, 256, 300, 300];
    let now = at;
    for (const seconds of expected) {
      await someMessages(db, now);
      const [probe] = (await claim(db, now)) as [Claimed];
      assert.equal((await settleAll(db, [failed(probe)], now)).circuit, null, "it was open before");
      const { retry_at, probe_until } = (await circuit(db)) ?? {};
      const delay = (Date.parse(String(retry_at)) - Date.parse(now)) / 1000;
      assert.ok(delay >= seconds * 0.75 && delay <= Math.min(300, seconds * 1.25), `${delay} s`);
      assert.equal(probe_until, null);
      now = String(retry_at);
    }
  }));

test("a probe that never went out says nothing, and the next follows at once, when all of it has ended", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await someMessages(db, at, 6);
    const probe = (await claim(db, at)) as Claimed[];
    for (const claimed of probe) {
      assert.deepEqual(await claim(db, at), [], "while some of it is under way");
      await settle(db, [failed(claimed, { failure: "template", permanent: true, tried: false })], at);
    }
    assert.equal(await isOpen(db), true);
    assert.equal((await circuit(db))?.failed_probes, 0);
    assert.equal((await claim(db, at)).length, 3);
  }));

test("the probe is made of what has been tried least: poison does not keep it open", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    const poison = await someMessages(db, at, 3);
    await db.query(
      "update notification set attempts = 7, next_attempt_at = '2026-03-01T11:00Z' where cluster = any ($1)",
      [poison],
    );
    const fresh = await someMessages(db, at, 3);
    assert.deepEqual(
      (await claim(db, at)).map(({ cluster }) => cluster),
      fresh,
    );
  }));

test("429 holds the whole target at once, for as long as the receiver asks", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 4);
    const [limited, other] = (await claim(db, at, 2)) as [Claimed, Claimed];
    const outcome = failed(limited, { failure: "rate_limited", retry_after_ms: 90_000 });
    assert.equal((await settleAll(db, [outcome], at)).circuit, "opened");
    assert.equal(await heldS(db), 90);
    assert.equal((await settleAll(db, [delivered(other)], after(1))).circuit, null);
    assert.equal(await heldS(db), 90, "what was under way does not undo it");
    assert.deepEqual(await claim(db, after(89.999)), []);
    const probe = (await claim(db, after(90))) as Claimed[];
    assert.equal(probe.length, 3, "then a few");
    assert.equal((await settleAll(db, [delivered(probe[0] as Claimed)], after(91))).circuit, "closed");
  }));

test("several 429 count by the longest; without Retry-After they back off like failures", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 4);
    const [one, two, three] = (await claim(db, at)) as [Claimed, Claimed, Claimed];
    const limited = (claimed: Claimed, retry_after_ms: number | null) =>
      failed(claimed, { failure: "rate_limited", retry_after_ms });
    await settle(db, [limited(one, null)], at);
    const first = await heldS(db);
    assert.ok(first >= 1.5 && first <= 2.5, `${first} s`);
    await settle(db, [limited(two, 600_000)], at);
    await settle(db, [limited(three, 60_000)], at);
    assert.equal(await heldS(db), 600);
    const [probe] = (await claim(db, after(600))) as [Claimed];
    await settle(db, [limited(probe, null)], after(600));
    const next = (await heldS(db)) - 600;
    assert.ok(next >= 3 && next <= 5, `${next} s`);
  }));

test("a message that is given up by its age says nothing about the receiver", () =>
  rolledBack(database.pool, async (db) => {
    await openCircuit(db);
    await db.query("update notification set next_attempt_at = $1", [after(60)]);
    const horizon = after(22 * 3600);
    assert.equal(await value(db, "select expire_notifications($1)", [horizon]), 5);
    const { failed_probes, failures } = (await circuit(db)) ?? {};
    assert.deepEqual([failed_probes, failures], [0, 5]);
    assert.deepEqual(await rows(db, "select distinct state, failure, last_error from notification"), [
      { state: "dead", failure: "server", last_error: "it answered 503" },
    ]);
  }));

test("a person closes it: everything that is due flows at once, and it opens anew when the receiver is still down", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 5);
    await db.query("update notification set next_attempt_at = $1", [at]);
    assert.deepEqual(await claim(db, at), []);
    const close = "select close_circuit('notifications backend')";
    assert.equal(await value(db, close), true);
    assert.ok((await jobs(db))["deliver notifications backend"]);
    const claims = (await claim(db, at)) as Claimed[];
    assert.equal(claims.length, 5);
    assert.equal(await value(db, close), false, "it was closed");
    const outcomes = claims.map((claimed) => failed(claimed));
    assert.equal((await settleAll(db, outcomes.slice(0, 4), at)).circuit, null, "it counts from the start");
    assert.equal((await settleAll(db, outcomes.slice(4), at)).circuit, "opened");
    await assert.rejects(value(db, "select close_circuit('x')"), { code: "NTG01" });
  }));

test("the targets do not wait for each other", () =>
  rolledBack(database.pool, async (db) => {
    await failures(db, 5);
    await db.query("update notification set target_id = 2, next_attempt_at = $1", [at]);
    assert.equal((await claim(db, at, 10, "service log")).length, 5);
  }));

test("the view shows it, and the gap says until when a message is held", () =>
  rolledBack(database.pool, async (db) => {
    const shown = async () =>
      (await rows(db, "select * from delivery_circuit where target = 'notifications backend'"))[0];
    assert.deepEqual(await shown(), {
      target: "notifications backend",
      state: "closed",
      since: null,
      probe_at: null,
      probe_until: null,
      failed_probes: 0,
      failures: 0,
      last_failure: null,
      last_error: null,
      last_failed_at: null,
      waiting: "0",
    });
    await failures(db, 5);
    await db.query("update circuit set retry_at = now() + interval '1 minute' where target_id = 1");
    const { state, since, waiting, probe_at } = (await shown()) ?? {};
    assert.deepEqual([state, since, waiting], ["open", at, "5"]);
    assert.deepEqual(await rows(db, "select distinct held_until from delivery_gap"), [
      { held_until: probe_at },
    ]);
    await db.query("update circuit set retry_at = now() where target_id = 1");
    assert.equal((await shown())?.state, "half-open");
  }));

test("a target that is new has a circuit when it needs one", () =>
  rolledBack(database.pool, async (db) => {
    await db.query("delete from circuit");
    await failures(db, 5);
    assert.equal(await isOpen(db), true);
  }));
