import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  claimOne,
  decisions,
  delivered,
  failed,
  loadContent,
  notified,
  reportAndDecide,
  rows,
  settle,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { explainedAs, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = (hour: number) => `2026-03-01T${String(hour).padStart(2, "0")}:00:00Z`;

/** Hours and what decide() says then of disk (and of net where it is there). */
async function answers(db: PoolClient, cluster: string, hours: number[], issue = "disk|KEY") {
  const found: [number, unknown][] = [];
  for (const hour of hours) found.push([hour, (await decisions(db, cluster, at(hour)))[issue]]);
  return Object.fromEntries(found);
}

const ledger = async (db: PoolClient) =>
  (await rows(db, "select live, voided::text from notified_issue order by notified_at")).map(
    ({ live, voided }) => [
      live,
      String(voided)
        .replaceAll(/2026-03-01 (\d\d):00:00[^",]*/g, "$1")
        .replaceAll('"', ""),
    ],
  );

/** An issue notified at 1, whose delivery is given up at 3; then whatever follows. */
async function givenUp(db: PoolClient, cluster: string) {
  await loadContent(db, ["disk", "net"]);
  await reportAndDecide(db, cluster, at(1), ["disk"]);
  const claimed = await claimOne(db, at(1));
  await settle(db, [failed(claimed, { permanent: true })], at(3));
  return claimed;
}

test("until its delivery was given up an issue counts as notified, from then on it does not", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await givenUp(db, cluster);
    assert.deepEqual(await ledger(db), [[false, "{[03,)}"]]);
    assert.deepEqual(await answers(db, cluster, [1, 2, 3, 4]), {
      1: "notify", // it was notified then
      2: ["cooldown"],
      3: "notify",
      4: "notify",
    });
    const before = "2026-03-01T02:59:59.999999Z";
    assert.deepEqual(await decisions(db, cluster, before), { "disk|KEY": ["cooldown"] });
    assert.deepEqual(await explainedAs(db, "last_notified_at", cluster, before), { "disk|KEY": at(1) });
    assert.deepEqual(await explainedAs(db, "last_notified_at", cluster, at(3)), { "disk|KEY": null });
  }));

test("notified again, the past still has the first time", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await givenUp(db, cluster);
    assert.equal((await reportAndDecide(db, cluster, at(5), ["disk"])).notified, 1);
    assert.deepEqual(await answers(db, cluster, [2, 4, 5, 6]), {
      2: ["cooldown"],
      4: "notify",
      5: "notify",
      6: ["cooldown"],
    });
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["disk|KEY"]]);
  }));

test("a delivery that got through after all counts again from then on; in between it did not", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const claimed = await givenUp(db, cluster);
    await settle(db, [delivered(claimed)], at(6));
    assert.deepEqual(await ledger(db), [[true, "{[03,06)}"]]);
    assert.deepEqual(await answers(db, cluster, [2, 3, 5, 6, 7]), {
      2: ["cooldown"],
      3: "notify",
      5: "notify",
      6: ["cooldown"],
      7: ["cooldown"],
    });
    assert.equal((await reportAndDecide(db, cluster, at(8), ["disk"])).notified, 0);
  }));

test("a delivery that got through after the issue was notified again does not count twice", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const claimed = await givenUp(db, cluster);
    await reportAndDecide(db, cluster, at(5), ["disk"]);
    await settle(db, [delivered(claimed)], at(6));
    assert.deepEqual(await ledger(db), [
      [false, "{[03,)}"],
      [true, "{}"],
    ]);
    assert.deepEqual(await explainedAs(db, "last_notified_at", cluster, at(7)), { "disk|KEY": at(5) });
  }));

test("spacing, too, counts a message until it was given up, and again when it got through after all", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await setScopedPolicy(db, {}, { spacing: "20 hours" }, "2026-02-01");
    const claimed = await givenUp(db, cluster);
    await settle(db, [delivered(claimed)], at(6));
    await reportAndDecide(db, cluster, at(2), ["disk", "net"]);
    assert.deepEqual(await answers(db, cluster, [2, 3, 5, 6, 20, 21], "net|KEY"), {
      2: ["spacing"],
      3: "notify",
      5: "notify",
      6: ["spacing"],
      20: ["spacing"],
      21: "notify",
    });
  }));
