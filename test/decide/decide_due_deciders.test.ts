import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool } from "pg";
import { createPool } from "../../src/db/pool.ts";
import { decideDue } from "../../src/decide/decide_due.ts";
import { createLogger } from "../../src/log.ts";
import { aCluster, addReports, loadContent, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

/** So many clusters wait; how many decisions were under way at once, at most, and how many were taken. */
async function decided(clusters: number, deciders: number): Promise<{ most: number; taken: number }> {
  await database.pool.query(
    "insert into decision_due (org_id, cluster) select 1, 'cluster ' || n from generate_series(1, $1::integer) n",
    [clusters],
  );
  const lines: { msg: string; clusters: number }[] = [];
  const log = createLogger("info", { write: (line) => void lines.push(JSON.parse(line)) });
  let running = 0;
  let most = 0;
  const pool = new Proxy(database.pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return async (...args: unknown[]) => {
        most = Math.max(most, ++running);
        return Promise.resolve(found.apply(target, args)).finally(() => {
          running--;
        });
      };
    },
  }) as Pool;
  await decideDue(pool, log, { deciders });
  assert.equal(await value(database.pool, "select count(*)::integer from decision_due"), 0);
  assert.equal(
    lines.reduce((sum, line) => sum + line.clusters, 0),
    clusters,
    "each of them once",
  );
  return { most, taken: lines.length };
}

test("a few clusters are one decision, whatever the number of deciders", async () => {
  assert.deepEqual(await decided(999, 4), { most: 1, taken: 1 });
});

test("while batches come out full, as many as configured are under way at the same time", async () => {
  assert.deepEqual(await decided(5_500, 1), { most: 1, taken: 6 });
  const { most, taken } = await decided(5_500, 2);
  assert.equal(most, 2);
  // two that come to the last five hundred together share them
  assert.ok(taken === 6 || taken === 7, `${taken} batches`);
});

test("a decision that fails ends the others after the one they are at, and is what the caller hears", async () => {
  await database.pool.query(
    "insert into decision_due (org_id, cluster) select 1, 'cluster ' || n from generate_series(1, 6000) n",
  );
  let calls = 0;
  const pool = new Proxy(database.pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return (...args: unknown[]) =>
        ++calls === 2 ? Promise.reject(new Error("gone")) : found.apply(target, args);
    },
  }) as Pool;
  await assert.rejects(decideDue(pool, createLogger("silent"), { deciders: 2 }), /gone/);
  assert.ok(Number(await value(database.pool, "select count(*) from decision_due")) >= 3_000);
  assert.equal(database.pool.waitingCount, 0);
});

const minute = 60_000;
const now = () => new Date().toISOString();

/** Whatever makes the decision for `$cluster` fail, and nobody else's; and what takes it away again. */
const poisons: Record<string, [make: string, unmake: string]> = {
  "a trigger that refuses": [
    aTrigger("raise exception 'not this one'"),
    "drop trigger poison on notification",
  ],
  "a trigger that fails": [aTrigger("perform 1 / 0"), "drop trigger poison on notification"],
  "a trigger that calls what is gone": [aTrigger("perform gone()"), "drop trigger poison on notification"],
  "a trigger with a fault of the server": [
    aTrigger("raise exception 'broken' using errcode = 'XX000'"),
    "drop trigger poison on notification",
  ],
  "a trigger that takes too long": [aTrigger("perform pg_sleep(60)"), "drop trigger poison on notification"],
  "a constraint": [
    "alter table notification add constraint poison check (cluster <> '$cluster')",
    "alter table notification drop constraint poison",
  ],
  "a constraint of the ledger": [
    "alter table notified_issue add constraint poison check (issue_id <> (select_issue('$cluster')))",
    "alter table notified_issue drop constraint poison",
  ],
};

function aTrigger(what: string): string {
  return `create or replace function poison() returns trigger language plpgsql as $$
    begin if new.cluster = '$cluster' then ${what}; end if; return new; end $$;
    create trigger poison before insert on notification for each row execute function poison()`;
}

for (const [what, [make, unmake]] of Object.entries(poisons)) {
  test(`a cluster whose decision fails by ${what} is put aside, the others are decided`, async () => {
    const db = database.pool;
    const clusters = Array.from({ length: 5 }, aCluster);
    const poisoned = clusters[1] as string;
    await loadContent(db, ["disk"]);
    await addReports(
      db,
      clusters.map((cluster) => ({ cluster, at: now(), hits: ["disk"] })),
    );
    await db.query(
      `create or replace function select_issue(cluster text) returns bigint language sql immutable
         as 'select id from issue i where i.cluster = $1'; ${make.replaceAll("$cluster", poisoned)}`,
    );
    const impatient = createPool({
      databaseUrl: `${database.url}?options=-c%20statement_timeout%3D2s`,
      size: 2,
      name: "ccx test",
      log: createLogger("silent"),
    });
    try {
      // one: two at once may both meet it, and count it twice
      await decideDue(impatient, createLogger("silent"), { deciders: 1 });
      const notified = "select count(*)::integer from notification where cluster = any ($1)";
      assert.equal(await value(db, notified, [clusters]), 4);
      const [aside] = await rows(
        db,
        "select cluster, attempts, reason <> '' as said, since, next_try_at, by_report from stuck_cluster",
      );
      const { since, next_try_at, ...row } = aside ?? {};
      assert.deepEqual(row, { cluster: poisoned, attempts: 1, said: true, by_report: true });
      assert.equal(Date.parse(String(next_try_at)) - Date.parse(String(since)), minute);
      assert.equal(await value(db, "select count(*)::integer from decision_due"), 0);

      await db.query("select sweep($1)", [since]);
      assert.equal(await value(db, "select count(*)::integer from decision_due"), 0, "not yet");
      await db.query("select sweep($1)", [next_try_at]);
      await decideDue(impatient, createLogger("silent"), { deciders: 1 });
      assert.equal(await value(db, "select attempts from stuck_cluster"), 2, "tried when it is time");

      await db.query(unmake);
      assert.equal(await value(db, "select retry_stuck(org_id => 2)"), 0);
      assert.equal(await value(db, "select retry_stuck(cluster => $1)", [poisoned]), 1);
      await decideDue(impatient, createLogger("silent"), { deciders: 1 });
      assert.equal(await value(db, notified, [clusters]), 5);
      assert.deepEqual(await rows(db, "select * from stuck_cluster"), []);
    } finally {
      await impatient.end();
      await db.query(
        `${unmake.replace(" poison", " if exists poison")}; delete from decision_due; delete from stuck_cluster`,
      );
    }
  });
}

test("each try that fails makes the wait for the next twice as long, six hours at most", () =>
  rolledBack(database.pool, async (db) => {
    const waits: unknown[] = [];
    for (let tries = 1; tries <= 11; tries++) {
      await db.query("select mark_due('{1}', '{c}', '{true}')");
      await db.query("select put_aside(1, 'c', 'it fails', '2026-03-01')");
      const wait =
        "select extract(epoch from next_try_at - '2026-03-01')::integer / 60 from stuck_cluster where cluster = 'c'";
      waits.push(await value(db, wait));
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
  }));

test("a decision that fails for everybody puts ten aside and is what the caller hears", async () => {
  const db = database.pool;
  const clusters = Array.from({ length: 40 }, aCluster);
  await addReports(
    db,
    clusters.map((cluster) => ({ cluster, at: now(), hits: ["disk"] })),
  );
  await db.query("alter table notification add constraint poison check (cluster = '') not valid");
  try {
    await assert.rejects(decideDue(db, createLogger("silent"), { deciders: 1 }), /poison/);
    assert.equal(await value(db, "select count(*)::integer from stuck_cluster"), 10);
    assert.equal(await value(db, "select count(*)::integer from decision_due"), 30);
  } finally {
    await db.query("alter table notification drop constraint poison; delete from decision_due");
  }
});
