import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { runMigrations } from "graphile-worker";
import pg from "pg";
import { addReports, decideDue, loadContent, rows, setPolicy, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { addSilence } from "../support/policies.ts";

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

test("a database of the second migration, with data of every kind, becomes one of the third", async () => {
  const url = new URL(database.url);
  const name = `${url.pathname.slice(1)}_upgrade`;
  await database.pool.query(`create database ${name}`);
  url.pathname = name;
  const pool = new pg.Pool({ connectionString: url.href, application_name: "ccx test" });
  try {
    await runMigrations({ connectionString: url.href });
    const [first = "", second = "", ...later] = await migrations();
    await pool.query(first);
    await pool.query(second);

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
    const before = [await rows(pool, open), await rows(pool, decisions)];
    assert.ok(before.every((found) => found.length >= 5));

    for (const migration of later) await pool.query(`begin; ${migration}; commit`);

    assert.deepEqual([await rows(pool, open), await rows(pool, decisions)], before);
    assert.deepEqual(await rows(pool, "select * from drift"), []);
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
  } finally {
    await pool.end();
    await database.pool.query(`drop database ${name}`);
  }
});
