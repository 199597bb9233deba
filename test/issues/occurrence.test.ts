import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  aReport,
  decisions,
  loadContent,
  replaceReport,
  rows,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

const at = (hour: number) => `2026-03-01T${String(hour).padStart(2, "0")}:00:00Z`;

/** The history of a rule's issue, a list for each occurrence: opened, closed; known from, known until. */
async function history(db: PoolClient, cluster: string, rule = "disk"): Promise<unknown[][]> {
  const found = await rows(
    db,
    `select o.opened_at, o.closed_at, o.known_from, o.known_until, o.occurrence, i.occurrence as of
     from occurrence o join issue i on i.id = o.issue_id join rule r on r.id = i.rule_id
     where i.cluster = $1 and r.rule_name = $2 order by o.occurrence`,
    [cluster, rule],
  );
  found.forEach((row, nth) => {
    assert.deepEqual(
      [row.occurrence, row.of],
      [nth + 1, found.length],
      "numbered from 1, as many as issue says",
    );
  });
  return found.map((row) => [row.opened_at, row.closed_at, row.known_from, row.known_until]);
}

/** Whether decide() sees disk, by the hour. */
async function seenAt(db: PoolClient, cluster: string, hours: number[]): Promise<number[]> {
  const seen: number[] = [];
  for (const hour of hours) if ("disk|KEY" in (await decisions(db, cluster, at(hour)))) seen.push(hour);
  return seen;
}

test("every time an issue comes and goes is an occurrence, known from when the reports arrived", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReports(db, [{ cluster, at: at(1), arrived: at(4), hits: ["disk"] }]);
    assert.deepEqual(await history(db, cluster), [[at(1), null, at(4), null]]);
    await addReports(db, [{ cluster, at: at(2), arrived: at(5), hits: ["disk"] }]);
    await addReports(db, [{ cluster, at: at(3), arrived: at(6), hits: [] }]);
    assert.deepEqual(await history(db, cluster), [[at(1), at(3), at(4), at(6)]]);
    await addReports(db, [{ cluster, at: at(7), arrived: at(8), hits: ["disk"] }]);
    assert.deepEqual(await history(db, cluster), [
      [at(1), at(3), at(4), at(6)],
      [at(7), null, at(8), null],
    ]);
    assert.deepEqual(await seenAt(db, cluster, [1, 3, 4, 5, 6, 7, 8, 9]), [4, 5, 8, 9]);
  }));

test("a decision sees the newest report that had arrived by its time", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReports(db, [{ cluster, at: at(1), arrived: at(4), hits: ["disk"] }]);
    await addReports(db, [{ cluster, at: at(5), arrived: at(6), hits: ["disk"] }]);
    const lastSeen = async (hour: number) =>
      value(db, "select last_seen from decide(1, $1, array[$2])", [at(hour), cluster]);
    assert.deepEqual([await lastSeen(5), await lastSeen(6)], [at(1), at(5)]);
  }));

test("several reports in one statement: each occurrence of its own, and the order of arrival does not go back", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReports(db, [
      { cluster, at: at(4), arrived: at(9), hits: [] },
      { cluster, at: at(1), arrived: at(6), hits: ["disk"] },
      { cluster, at: at(3), arrived: at(7), hits: ["disk"] },
      { cluster, at: at(2), arrived: at(8), hits: [] },
    ]);
    assert.deepEqual(await history(db, cluster), [
      [at(1), at(2), at(6), at(8)],
      [at(3), at(4), at(8), at(9)],
    ]);
    assert.deepEqual(await seenAt(db, cluster, [5, 6, 7, 8, 9]), [6, 7, 8]);
    await addReports(db, [
      { cluster, at: at(10), hits: ["disk"] },
      { cluster, at: at(11), hits: ["disk"] },
      { cluster, at: at(12), hits: [] },
    ]);
    assert.deepEqual((await history(db, cluster)).at(2), [at(10), at(12), at(10), at(12)]);
  }));

test("a statement that goes on with an occurrence and begins another closes the one and opens the other", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, at(1), ["disk", "net"]);
    await addReports(db, [
      { cluster, at: at(2), hits: ["disk"] },
      { cluster, at: at(3), hits: [] },
      { cluster, at: at(4), hits: ["disk", "net"] },
    ]);
    assert.deepEqual(await history(db, cluster), [
      [at(1), at(3), at(1), at(3)],
      [at(4), null, at(4), null],
    ]);
    assert.deepEqual(await history(db, cluster, "net"), [
      [at(1), at(2), at(1), at(2)],
      [at(4), null, at(4), null],
    ]);
  }));

test("a late report does not rewrite the past, whatever it has", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, at(1), ["disk"]);
    await addReport(db, cluster, at(5), ["disk"]);
    const before = await history(db, cluster);
    await addReports(db, [{ cluster, at: at(3), arrived: at(6), hits: ["net"] }]);
    await addReports(db, [{ cluster, at: at(2), arrived: at(7), hits: "" }]);
    assert.deepEqual(await history(db, cluster), before);
    assert.deepEqual(await history(db, cluster, "net"), []);
    assert.deepEqual(await seenAt(db, cluster, [1, 2, 3, 4, 5, 6, 7]), [1, 2, 3, 4, 5, 6, 7]);
  }));

test("a replaced report counts from when the replacement arrived; until then, the first version does", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, at(1), ["disk"]);
    await replaceReport(db, cluster, at(1), ["net"], at(3));
    assert.deepEqual(await history(db, cluster), [[at(1), at(1), at(1), at(3)]]);
    assert.deepEqual(await history(db, cluster, "net"), [[at(1), null, at(3), null]]);
    await replaceReport(db, cluster, at(1), ["disk"], at(5));
    assert.deepEqual(await seenAt(db, cluster, [1, 2, 3, 4, 5, 6]), [1, 2, 5, 6]);
  }));

test("a replacement that does not say when it came is known from now on, not since the first version", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, at(1), ["disk"]);
    await replaceReport(db, cluster, at(1), []);
    const [row] = await rows(db, "select known_from, known_until >= now() as known_now from occurrence");
    assert.deepEqual(row, { known_from: at(1), known_now: true });
  }));

test("the same upload run again through upsert is a replacement, too", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    for (const [arrived, hits] of [
      [at(1), ["disk"]],
      [at(2), []],
      [at(3), ["disk"]],
    ] as const) {
      await db.query(
        `insert into new_reports (org_id, cluster, updated_at, report, received_at) values (1, $1, $2, $3, $4)
         on conflict (org_id, cluster, updated_at)
         do update set report = excluded.report, received_at = excluded.received_at`,
        [cluster, at(1), aReport(...hits), arrived],
      );
    }
    assert.deepEqual(await history(db, cluster), [
      [at(1), at(1), at(1), at(2)],
      [at(1), null, at(3), null],
    ]);
  }));

test("a clock that goes back between two writers never has an issue open twice at one time", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReports(db, [{ cluster, at: at(1), arrived: at(8), hits: ["disk"] }]);
    await addReports(db, [{ cluster, at: at(2), arrived: at(7), hits: [] }]);
    assert.deepEqual(await history(db, cluster), [[at(1), at(2), at(8), at(8)]], "known for no time at all");
    await addReports(db, [{ cluster, at: at(3), arrived: at(6), hits: ["disk"] }]);
    await addReports(db, [{ cluster, at: at(4), arrived: at(10), hits: [] }]);
    await addReports(db, [
      { cluster, at: at(5), arrived: at(4), hits: ["disk"] },
      { cluster, at: at(6), arrived: at(5), hits: [] },
      { cluster, at: at(7), arrived: at(12), hits: ["disk"] },
    ]);
    assert.deepEqual(await history(db, cluster), [
      [at(1), at(2), at(8), at(8)],
      [at(3), at(4), at(8), at(10)],
      [at(5), at(6), at(10), at(10)],
      [at(7), null, at(12), null],
    ]);
    assert.deepEqual(await seenAt(db, cluster, [6, 7, 8, 9, 10, 11, 12]), [8, 9, 12]);
  }));
