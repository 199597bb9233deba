import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReports,
  claimOne,
  decideDue,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  type Row,
  rows,
  serviceLog,
  settle,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const start = Date.now();
/** A time so many hours ago; the view counts the last seven days from now. */
const ago = (hours: number) => new Date(start - hours * 3_600_000).toISOString();

/** Reports that arrive so many hours ago, decided as they come: [hours ago, cluster, hits, organization]. */
async function history(db: PoolClient, reports: [number, string, string[], number?][]): Promise<void> {
  for (const [hours, cluster, hits, org = 1] of reports.toSorted(([a], [b]) => b - a)) {
    await addReports(db, [{ cluster, org, at: ago(hours), hits }]);
    await decideDue(db, ago(hours), 1000);
  }
}

const numbers = `notified::integer, clusters::integer, organizations::integer, sightings::integer, dedup_ratio::float,
  occurrences::integer, flapping_issues::integer, gone_within_an_hour::integer, open_issues::integer`;

/** What the view says of a rule. */
const noiseOf = async (
  db: PoolClient,
  rule: string,
  target = notificationsBackend,
): Promise<Row | undefined> =>
  (
    await rows(db, `select ${numbers} from noise where rule_name(component) = $1 and target = $2`, [
      rule,
      target,
    ])
  )[0];

const quiet = {
  notified: 0,
  clusters: 0,
  organizations: 0,
  dedup_ratio: 1,
  flapping_issues: 0,
  gone_within_an_hour: 0,
};

test("it counts what was notified, to whom, and how many sightings that spared", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(db, {}, { cooldown: "1 day" }, "2026-02-01");
    const [one, two, other] = [aCluster(), aCluster(), aCluster()];
    await history(db, [
      [50, one, ["disk"]],
      [40, one, ["disk", "net"]],
      [20, one, ["disk"]],
      [30, two, ["disk"]],
      [10, two, []],
      [30, other, ["disk"], 2],
      [5.5, other, ["disk"], 2],
      [5, other, [], 2],
    ]);
    // disk: one at 50 and 20, two at 30, other at 30 and 5.5; seen 3 + 1 + 2 times
    assert.deepEqual(await noiseOf(db, "disk"), {
      notified: 5,
      clusters: 3,
      organizations: 2,
      sightings: 6,
      dedup_ratio: 0.1667,
      occurrences: 3,
      flapping_issues: 0,
      gone_within_an_hour: 0,
      open_issues: 1,
    });
    assert.deepEqual(await noiseOf(db, "net"), {
      ...quiet,
      notified: 1,
      clusters: 1,
      organizations: 1,
      sightings: 1,
      dedup_ratio: 0,
      occurrences: 1,
      open_issues: 0,
    });
    assert.deepEqual(await noiseOf(db, "disk", serviceLog), {
      ...quiet,
      sightings: 6,
      occurrences: 3,
      open_issues: 1,
    });
  }));

test("only the last seven days count", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net", "cpu"]);
    const [one, two] = [aCluster(), aCluster()];
    const week = 7 * 24;
    await history(db, [
      [week + 30, one, ["disk", "net", "cpu"]],
      [week + 5, one, ["disk", "net"]],
      [week - 1, one, ["disk"]],
      [week - 2, two, ["cpu"]],
    ]);
    assert.deepEqual(await noiseOf(db, "disk"), { ...quiet, sightings: 1, occurrences: 0, open_issues: 1 });
    assert.deepEqual(
      await noiseOf(db, "net"),
      { ...quiet, sightings: 0, dedup_ratio: null, occurrences: 0, open_issues: 0 },
      "it went within the seven days, but was not seen in them",
    );
    const cpu = { notified: 1, clusters: 1, organizations: 1, sightings: 1, dedup_ratio: 0, occurrences: 1 };
    assert.deepEqual(await noiseOf(db, "cpu"), { ...quiet, ...cpu, open_issues: 1 });
    assert.equal(await noiseOf(db, "none"), undefined);
  }));

test("it counts what appears and goes, and what flaps now by the target's policy", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(db, {}, { flapping_occurrences: 3, flapping_window: "6 hours" }, "2026-02-01");
    await setScopedPolicy(db, { target: serviceLog }, { flapping_window: "1 hour" }, "2026-02-01");
    const [flaps, flapped] = [aCluster(), aCluster()];
    for (const [cluster, hours] of [
      [flaps, 5],
      [flapped, 20],
    ] as const) {
      await history(db, [
        [hours, cluster, ["disk"]],
        [hours - 0.5, cluster, []],
        [hours - 1, cluster, ["disk"]],
        [hours - 2, cluster, ["net"]],
        [hours - 2.5, cluster, ["disk"]],
      ]);
    }
    const disk = { sightings: 6, occurrences: 6, gone_within_an_hour: 2, open_issues: 2 };
    const notified = { notified: 2, clusters: 2, organizations: 1, dedup_ratio: 0.6667, flapping_issues: 1 };
    assert.deepEqual(await noiseOf(db, "disk"), { ...quiet, ...disk, ...notified });
    assert.deepEqual(await noiseOf(db, "disk", serviceLog), { ...quiet, ...disk });
    assert.equal((await noiseOf(db, "net"))?.gone_within_an_hour, 2);
  }));

test("what was given up, or notified as gone, does not count as notified", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, {}, { notify_resolved: true, receiver_knows_resolved: true }, "2026-02-01");
    const [gone, dead] = [aCluster(), aCluster()];
    await history(db, [[10, gone, ["disk"]]]);
    await settle(db, [delivered(await claimOne(db, ago(10)))], ago(10));
    await history(db, [
      [8, gone, []],
      [5, dead, ["disk"]],
    ]);
    await settle(db, [delivered(await claimOne(db, ago(8)))], ago(8));
    assert.equal((await noiseOf(db, "disk"))?.notified, 2);
    await settle(db, [failed(await claimOne(db, ago(5)), { permanent: true })], ago(4));
    assert.equal((await noiseOf(db, "disk"))?.notified, 1);
  }));

test("a stretch of the past has its own numbers", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const cluster = aCluster();
    const days: [string, string[]][] = [
      ["2026-03-01T12:00:00Z", ["disk"]],
      ["2026-03-02T12:00:00Z", []],
      ["2026-03-05T12:00:00Z", ["disk"]],
    ];
    for (const [day, hits] of days) {
      await addReports(db, [{ org: 1, cluster, at: day, arrived: day, hits }]);
      await decideDue(db, day);
    }
    const between = async (from: string, to: string) =>
      (
        await rows(
          db,
          `select notified::int, sightings::int, occurrences::int, open_issues::int from noise_between($1, $2)
           where target = 'notifications backend'`,
          [from, to],
        )
      )[0];
    assert.deepEqual(await between("2026-03-01", "2026-03-03"), {
      ...{ notified: 1, sightings: 1, occurrences: 1, open_issues: 0 },
    });
    assert.deepEqual(await between("2026-03-03", "2026-03-06"), {
      ...{ notified: 0, sightings: 1, occurrences: 1, open_issues: 1 },
    });
    assert.deepEqual(await between("2026-03-01", "2026-03-02"), {
      ...{ notified: 1, sightings: 1, occurrences: 1, open_issues: 1 },
    });
    const said =
      "select target, state, notification_type, issues, error_log from reported_in_words order by notified_at, target";
    await settle(db, [delivered(await claimOne(db, "2026-03-01T12:00:00Z"))], "2026-03-01T12:00:01Z");
    const [first] = await rows(db, said);
    assert.deepEqual(first, {
      ...{ target: "notifications backend", state: "sent", notification_type: "instant" },
      ...{ issues: ["disk|KEY"], error_log: null },
    });
    assert.ok((await rows(db, said)).slice(1).every(({ issues }) => (issues as string[]).length === 0));
  }));
