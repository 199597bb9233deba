import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, type Random, seeded } from "../../dev/samples/random.ts";
import { on } from "../support/answers.ts";
import {
  aCluster,
  addReport,
  addReports,
  aReport,
  claimOne,
  delivered,
  loadContent,
  reportAndDecide,
  rows,
  settle,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const hits = ["a", "b", "c", "d"];

const drift = (db: PoolClient) => rows(db, "select * from drift order by what, cluster, component, detail");

/** What drifts, as `what rule: detail`; other clusters than this one do not. */
async function damage(db: PoolClient, cluster: string): Promise<string[]> {
  const found = await drift(db);
  assert.ok(found.every((row) => row.cluster === cluster && row.org_id === "1"));
  return found.map(({ what, component, detail }) => {
    const rule = component === null ? "" : ` ${String(component).split(".").at(-2)}`;
    return `${what}${rule}: ${detail}`;
  });
}

/**
 * Some reports in one statement: on time or late, often of a time that is stored already, a few unreadable.
 */
async function somethingArrives(db: PoolClient, random: Random, minute: number): Promise<void> {
  const reports = new Map<string, [number, string, string, string]>();
  for (let n = 0; n <= below(random, 5); n++) {
    const org = 1 + below(random, 2);
    const cluster = `cluster-${below(random, 2)}`;
    const own = minute - (below(random, 3) === 0 ? below(random, 20) : 0);
    const at = new Date(Date.parse(on(1)) + own * 60_000).toISOString();
    const report = aReport(...hits.filter(() => below(random, 2) === 0));
    reports.set(`${org} ${cluster} ${at}`, [org, cluster, at, report]);
  }
  const columns = [0, 1, 2, 3].map((column) => [...reports.values()].map((report) => report[column]));
  await db.query(
    `insert into new_reports (org_id, cluster, updated_at, report, received_at)
     select *, $5 from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[])
     on conflict (org_id, cluster, updated_at) do update set report = excluded.report, received_at = excluded.received_at`,
    [...columns, new Date(Date.parse(on(1)) + minute * 60_000).toISOString()],
  );
  if (below(random, 4) === 0) {
    const at = new Date(Date.parse(on(1)) + minute * 60_000 + 1).toISOString();
    await addReport(db, "cluster-0", at, "{");
  }
}

test(`whatever arrives, late, again or unreadable, nothing drifts (SEED=${seed})`, async () => {
  const random = seeded(seed);
  for (let history = 0; history < 8; history++) {
    await rolledBack(database.pool, async (db) => {
      for (let minute = 0; minute < 40; minute++) {
        await somethingArrives(db, random, minute);
        assert.deepEqual(await drift(db), [], `history ${history}, minute ${minute} of SEED=${seed}`);
      }
    });
  }
});

test("an issue that goes and comes back within one batch does not drift", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, on(1), ["a"]);
    await addReports(db, [
      { cluster, at: on(2), hits: [] },
      { cluster, at: on(3), hits: ["a"] },
    ]);
    assert.deepEqual(await drift(db), []);
    assert.deepEqual(
      await rows(db, "select occurrence, closed_at, known_until from occurrence order by occurrence"),
      [
        { occurrence: 1, closed_at: on(2), known_until: on(2) },
        { occurrence: 2, closed_at: null, known_until: null },
      ],
    );
  }));

const tampered: [what: string, tamper: string, expected: string[]][] = [
  [
    "a latest_report that lags behind",
    `update latest_report set updated_at = '${on(2)}' where cluster = $1 and org_id = 1`,
    [
      "newest report: the newest report is of 2026-03-03 12:00:00+00, latest_report says 2026-03-02 12:00:00+00",
    ],
  ],
  [
    "a latest_report that is missing",
    "delete from latest_report where cluster = $1 and org_id = 1",
    ["newest report: the newest report is of 2026-03-03 12:00:00+00, latest_report says nothing"],
  ],
  [
    "an issue that was closed although the newest report has it",
    `with closed as (update issue set closed_at = '${on(3)}' where cluster = $1 and id = (select min(id) from issue) returning id)
     update occurrence o set closed_at = '${on(3)}', known_until = '${on(3)}' from closed c where o.issue_id = c.id and o.occurrence = 2`,
    ["missing issue a: the newest report has it, issue does not"],
  ],
  [
    "an issue that was deleted",
    "with gone as (delete from occurrence where issue_id in (select min(id) from issue)) delete from issue where cluster = $1 and id = (select min(id) from issue)",
    ["missing issue a: the newest report has it, issue does not"],
  ],
  [
    "an issue that stayed open although the newest report does not have it",
    `with opened as (update issue set closed_at = null where cluster = $1 and closed_at is not null returning id)
     update occurrence o set closed_at = null, known_until = null from opened c where o.issue_id = c.id`,
    ["surplus issue b: issue has it open, the newest report does not have it"],
  ],
  [
    "an issue whose count is not that of its history",
    "update issue set occurrence = 3 where cluster = $1 and occurrence = 2",
    [
      "history a: issue is at occurrence 3 (closed not), its history at 2 (closed not)",
      "history a: occurrence 2 had not ended when occurrence 3 began",
    ],
  ],
  [
    "an issue that began at another time than its history says",
    "update issue set opened_at = opened_at - interval '1 hour' where cluster = $1 and occurrence = 2",
    ["history a: issue is at occurrence 2 (closed not), its history at 2 (closed not)"],
  ],
  [
    "a history that is gone",
    "delete from occurrence where issue_id = (select id from issue where cluster = $1 and closed_at is not null)",
    ["history b: issue is at occurrence 1 (closed 2026-03-03 12:00:00+00), its history at none (closed not)"],
  ],
  [
    "an occurrence that never ended although the next one began",
    "update occurrence set closed_at = null, known_until = null where occurrence = 1 and issue_id = (select id from issue where cluster = $1 and occurrence = 2)",
    ["history a: occurrence 1 had not ended when occurrence 2 began"],
  ],
  [
    "two occurrences at one time",
    `update occurrence set known_until = '${on(9)}' where occurrence = 1 and issue_id = (select id from issue where cluster = $1 and occurrence = 2)`,
    ["history a: occurrence 1 had not ended when occurrence 2 began"],
  ],
];
for (const [what, tamper, expected] of tampered) {
  test(`it shows ${what}`, () =>
    rolledBack(database.pool, async (db) => {
      await db.query("set local timezone = 'UTC'");
      const cluster = aCluster();
      await addReport(db, cluster, on(1), ["a"]);
      await addReport(db, cluster, on(2), ["b"]);
      await addReport(db, cluster, on(3), ["a"]);
      await addReports(db, [{ cluster: aCluster(), at: on(3), hits: ["a"], org: 2 }]);
      await addReport(db, aCluster(), on(3), ["a", "b"]);
      assert.deepEqual(await drift(db), []);
      await db.query(tamper, [cluster]);
      assert.deepEqual(await damage(db, cluster), expected);
    }));
}

test("it shows a notification that does not say when the next one was, and a replay that counts as one", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const cluster = aCluster();
    await reportAndDecide(db, cluster, on(1), ["disk"]);
    await settle(db, [delivered(await claimOne(db, on(1)))], on(1));
    await reportAndDecide(db, cluster, on(9), ["disk"]);
    await db.query("select replay($1, $2, at => $3)", [on(1), on(2), on(10)]);
    assert.deepEqual(await drift(db), []);
    await db.query("update notified_issue set superseded_at = 'infinity'");
    assert.deepEqual(await damage(db, cluster), [
      "notification disk: the one at 2026-03-01 12:00:00+00 says that the next is at infinity; the ledger has it at 2026-03-09 12:00:00+00",
      "notification disk: the one at 2026-03-10 12:00:00+00 says that the next is at infinity; the ledger has it at -infinity",
    ]);
  }));
