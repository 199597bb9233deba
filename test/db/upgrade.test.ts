import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { runMigrations } from "graphile-worker";
import pg from "pg";
import { addReports, decideDue, loadContent, rows, setPolicy, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { addSilence, disableRule, toggleRule } from "../support/policies.ts";

const database = testDatabase();
const committed = path.join(import.meta.dirname, "../../migrations/committed");

/** The committed migrations in their order; the header is of comments only. */
async function migrations(): Promise<string[]> {
  const files = (await Array.fromAsync(glob("*.sql", { cwd: committed }))).sort();
  return Promise.all(files.map((file) => readFile(path.join(committed, file), "utf8")));
}

const open = `select i.cluster, r.component, i.occurrence, i.closed_at is null as open
  from issue i join rule r on r.id = i.rule_id order by 1, 2`;
const decisions = `select d.cluster, d.component, d.decision, d.reasons, d.last_told_at
  from event_targets t cross join lateral decide(t.id, '2026-03-01T12:00:00Z') d order by t.id, 1, 2`;

/** A database of the first so many migrations, and what makes it one of the latest. */
async function withDatabaseOf(
  count: number,
  work: (pool: pg.Pool, upgrade: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const url = new URL(database.url);
  const name = `${url.pathname.slice(1)}_upgrade`;
  await database.pool.query(`create database ${name}`);
  url.pathname = name;
  const pool = new pg.Pool({ connectionString: url.href, application_name: "ccx test" });
  try {
    await runMigrations({ connectionString: url.href });
    const all = await migrations();
    for (const migration of all.slice(0, count)) await pool.query(migration);
    await work(pool, async () => {
      for (const migration of all.slice(count)) await pool.query(`begin; ${migration}; commit`);
    });
  } finally {
    await pool.end();
    await database.pool.query(`drop database ${name}`);
  }
}

test("a database of the second migration, with data of every kind, becomes one of the latest", () =>
  withDatabaseOf(2, async (pool, upgrade) => {
    await loadContent(pool, ["disk", "net", "cpu"], "2026-02-01");
    await setPolicy(
      pool,
      "notifications backend",
      { filter: "totalRisk > 1", cooldown: "1 day" },
      "2026-02-02",
    );
    await addSilence(pool, { rule: "cpu" });
    const at = (hour: number) => `2026-03-01T0${hour}:00:00Z`;
    await addReports(pool, [
      { cluster: "stays", at: at(1), hits: ["disk", "cpu"] },
      { cluster: "goes", at: at(1), hits: ["disk", "net"] },
      { cluster: "returns", at: at(1), hits: ["net"] },
      { cluster: "fails", at: at(1), hits: ["net"] },
    ]);
    await decideDue(pool, at(1));
    await pool.query("update notification set state = 'dead', ended_at = $1 where cluster = 'fails'", [
      at(2),
    ]);
    await pool.query(
      `update notified_issue set live = false
       where notification_id in (select id from notification where state = 'dead')`,
    );
    await addReports(pool, [
      { cluster: "goes", at: at(3), hits: ["disk"] },
      { cluster: "returns", at: at(3), hits: [] },
    ]);
    await addReports(pool, [{ cluster: "returns", at: at(4), hits: ["net"] }]);
    await pool.query(
      `insert into rejected_message (topic, partition, kafka_offset, reason, detail, value)
       values ('results', 0, 7, 'not_json', 'it is', '{'), ('results', 1, 7, 'empty', 'it is', '')`,
    );
    const before = [await rows(pool, open), await rows(pool, decisions)];
    assert.ok(before.every((found) => found.length >= 5));

    await upgrade();

    assert.deepEqual([await rows(pool, open), await rows(pool, decisions)], before);
    assert.deepEqual(await rows(pool, "select * from drift"), []);
    assert.equal(
      await value(
        pool,
        "select count(distinct id)::integer from rejected_message where attempts = 1 and stored_at is null",
      ),
      2,
      "rejected messages wait to be tried again",
    );
    const history = `select i.cluster, o.occurrence, o.known_until is null as open
      from occurrence o join issue i on i.id = o.issue_id order by 1, 2, 3`;
    assert.deepEqual(
      (await rows(pool, history)).map((row) => Object.values(row).join(" ")),
      ["fails 1 true", "goes 1 false", "goes 1 true", "returns 2 true", "stays 1 true", "stays 1 true"],
    );
    assert.equal(
      await value(
        pool,
        "select count(*)::integer from notified_issue where not live and not voided @> $1::timestamptz",
        [at(1)],
      ),
      1,
      "what was given up counted as told until then",
    );
  }));

test("a database of the third migration, with data of every kind, becomes one of the latest", () =>
  withDatabaseOf(3, async (pool, upgrade) => {
    await loadContent(pool, ["disk", "net", "cpu"], "2026-01-01");
    await setPolicy(pool, "notifications backend", { cooldown: "1 day" }, "2026-01-02");
    await setPolicy(
      pool,
      "service log",
      { enabled: true, cooldown: "2 days", spacing: "1 hour", required_tags: [] },
      "2026-01-02",
    );
    await disableRule(pool, 1, "cpu", "");
    await toggleRule(pool, "one", "net", "");
    for (const at of ["2026-02-01", "2026-02-02", "2026-02-03", "2026-02-28"]) {
      await addReports(pool, [
        { cluster: "one", at: `${at}T00:00:00Z`, hits: ["disk", "net", "cpu"] },
        { cluster: "two", at: `${at}T00:00:00Z`, hits: ["disk", "net"] },
      ]);
      await decideDue(pool, `${at}T00:00:00Z`);
    }
    const failed = `insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
      select n.issue_id, n.target_id, n.content_id, n.occurrence, '2026-03-01T00:00:00Z'::timestamptz + age, 'a fault'
      from (select * from notified_issue order by issue_id, target_id limit 1) n,
        unnest(array[interval '-20 hours', '-2 hours', '10 hours']) age`;
    await pool.query(failed);
    const before = await rows(pool, decisions);
    const reasons = new Set(before.flatMap((row) => row.reasons as string[]));
    assert.deepEqual([...reasons].sort(), ["acked", "cooldown", "disabled", "render_failed"]);

    await upgrade();

    assert.deepEqual(await rows(pool, decisions), before);
    for (const past of ["2026-02-02T12:00:00Z", "2026-02-03T00:00:00Z"])
      assert.deepEqual(
        await rows(
          pool,
          `select d.issue_id, d.last_told_at from event_targets t cross join lateral decide(t.id, '${past}') d
           order by 1, t.id`,
        ),
        await rows(
          pool,
          `select d.issue_id, (select max(n.told_at) from notified_issue n
             where n.issue_id = d.issue_id and n.target_id = t.id and n.told_at < '${past}') as last_told_at
           from event_targets t cross join lateral decide(t.id, '${past}') d
           order by 1, t.id`,
        ),
        past,
      );
  }));

test("deliveries of the third migration, in every state, go on in the latest", () =>
  withDatabaseOf(3, async (pool, upgrade) => {
    const at = "2026-03-01T12:00:00Z";
    await loadContent(pool, ["disk"], "2026-02-01");
    const clusters = ["fresh", "tried", "dead", "sent", "under way"];
    await addReports(
      pool,
      clusters.map((cluster) => ({ cluster, at, hits: ["disk"] })),
    );
    await decideDue(pool, at);
    await pool.query("update notification set next_attempt_at = '2026-03-02' where cluster = 'fresh'");
    const claimed = await rows(
      pool,
      "select * from claim_notifications('notifications backend', 10, '2 minutes', $1)",
      [at],
    );
    const outcomes = claimed
      .filter(({ cluster }) => cluster !== "under way")
      .map(({ id, attempt, cluster }) => ({
        ...{ id, attempt, sent: cluster === "sent", permanent: cluster === "dead", error: "it answered 500" },
        // a program of those days might have left the reason out
        failure: cluster === "dead" ? null : "server",
      }));
    await pool.query("select * from settle_notifications($1::jsonb, $2)", [JSON.stringify(outcomes), at]);

    await upgrade();

    assert.deepEqual(
      await rows(
        pool,
        "select cluster, state, attempts, first_tried_at = decided_at as tried, failure from notification order by 1",
      ),
      [
        { cluster: "dead", state: "dead", attempts: 1, tried: true, failure: "client" },
        { cluster: "fresh", state: "pending", attempts: 0, tried: null, failure: null },
        { cluster: "sent", state: "sent", attempts: 1, tried: null, failure: null },
        { cluster: "tried", state: "pending", attempts: 1, tried: true, failure: "server" },
        { cluster: "under way", state: "pending", attempts: 1, tried: true, failure: null },
      ],
    );
    assert.deepEqual(await rows(pool, "select target, state from delivery_circuit order by 1"), [
      { target: "notifications backend", state: "closed" },
      { target: "service log", state: "closed" },
    ]);
    // whoever was sending meanwhile can still say how it ended
    const underWay = claimed.find(({ cluster }) => cluster === "under way");
    const failure = [
      { id: underWay?.id, attempt: 1, sent: false, failure: "timeout", error: "x", permanent: true },
    ];
    const settled = await rows(pool, "select dead from settle_notifications($1::jsonb, $2)", [
      JSON.stringify(failure),
      at,
    ]);
    assert.deepEqual(settled, [{ dead: 1 }]);
    const redriven = await rows(
      pool,
      "select refusal from redrive(array(select notification_id from dead_letter), '2026-03-01T13:00:00Z')",
    );
    assert.deepEqual(redriven, [{ refusal: null }, { refusal: null }]);
    assert.equal(
      (
        await rows(
          pool,
          "select * from claim_notifications('notifications backend', 10, '2 minutes', '2026-03-02T09:00Z')",
        )
      ).length,
      4,
    );
  }));
