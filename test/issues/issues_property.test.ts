import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, type Random, seeded } from "../../dev/samples/random.ts";
import { addReports, aReport, type GivenReport, rows } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const histories = 25;

const allHits = ["a", "b", "c", "d"];

/**
 * Reports of four clusters, each in the order of its time but for some that arrive late; a few cannot be
 * read. Clusters that move are two, and report for two organizations.
 */
function aHistory(random: Random, { moving = false } = {}): GivenReport[] {
  const reports = Array.from({ length: 40 }, (_, minute): GivenReport & { arrives: number } => ({
    ...clusterOf(1 + below(random, 2), below(random, 2), moving),
    at: `2026-03-01T01:${String(minute).padStart(2, "0")}:00Z`,
    hits: below(random, 10) === 0 ? "" : allHits.filter(() => below(random, 2) === 0),
    arrives: minute + (below(random, 6) === 0 ? below(random, 15) : 0),
  }));
  return reports.toSorted((a, b) => a.arrives - b.arrives);
}

const clusterOf = (org: number, nth: number, moving: boolean) => ({
  org,
  cluster: moving ? `cluster-${nth}` : `cluster-${nth}-of-${org}`,
});

/** The history cut at random; within a batch the order is that of its times, since its arrival has none. */
function inBatches(history: GivenReport[], random: Random): GivenReport[][] {
  const batches: GivenReport[][] = [];
  for (let from = 0; from < history.length; ) {
    const size = 1 + below(random, 9);
    batches.push(history.slice(from, from + size));
    from += size;
  }
  return batches;
}

const issues = (db: PoolClient) =>
  rows(
    db,
    `select i.cluster, i.org_id, r.rule_name, i.first_seen, i.opened_at, i.closed_at, i.occurrence
     from issue i join rule r on r.id = i.rule_id order by 1, 2, 3`,
  );

const occurrences = (db: PoolClient) =>
  rows(
    db,
    `select i.cluster, i.org_id, r.rule_name, o.occurrence, o.opened_at, o.closed_at, o.known_from, o.known_until
     from occurrence o join issue i on i.id = o.issue_id join rule r on r.id = i.rule_id order by 1, 2, 3, 4`,
  );

async function after(batches: GivenReport[][]) {
  return rolledBack(database.pool, async (db) => {
    for (const batch of batches) await addReports(db, batch);
    const latest = await rows(db, "select cluster, org_id, updated_at from latest_report order by 1, 2");
    return { issues: await issues(db), occurrences: await occurrences(db), latest };
  });
}

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`however reports are cut into batches, the issues are the same (SEED=${seed})`, async () => {
  const random = seeded(seed);
  for (let n = 0; n < histories; n++) {
    const history = aHistory(random);
    const batches = inBatches(history, random);
    const sorted = batches.flatMap((batch) => batch.toSorted((a, b) => (a.at < b.at ? -1 : 1)));
    const oneByOne = await after(sorted.map((report) => [report]));
    assert.deepEqual(await after(batches), oneByOne, `history ${n} of SEED=${seed}`);
    assert.deepEqual(
      oneByOne.issues.filter(({ closed_at }) => closed_at === null).map(open),
      expectedOpen(history),
      `history ${n} of SEED=${seed}`,
    );
  }
});

const open = ({ cluster, org_id, rule_name }: Record<string, unknown>) => `${cluster} ${org_id} ${rule_name}`;

/** The hits of each cluster's newest readable report. */
function expectedOpen(history: GivenReport[]): string[] {
  const newest = new Map<string, GivenReport>();
  for (const report of history.toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
    if (typeof report.hits !== "string") newest.set(report.cluster, report);
  }
  return [...newest]
    .flatMap(([cluster, { org, hits }]) => [...hits].map((hit) => `${cluster} ${org} ${hit}`))
    .sort();
}

test(`wherever clusters move, what is open belongs to the organization of the newest report (SEED=${seed})`, async () => {
  const random = seeded(seed + 2);
  for (let n = 0; n < histories; n++) {
    const history = aHistory(random, { moving: true });
    await rolledBack(database.pool, async (db) => {
      for (const batch of inBatches(history, random)) await addReports(db, batch);
      assert.deepEqual(
        (await issues(db)).filter(({ closed_at }) => closed_at === null).map(open),
        expectedOpen(history),
        `history ${n} of SEED=${seed + 2}`,
      );
      assert.deepEqual(await rows(db, "select * from drift"), [], `history ${n} of SEED=${seed + 2}`);
    });
  }
});

test(`however uploads are run again, the open issues are the hits of the newest report (SEED=${seed})`, async () => {
  const random = seeded(seed + 1);
  for (let n = 0; n < histories; n++) {
    const stored = new Map<string, string[]>();
    await rolledBack(database.pool, async (db) => {
      for (let step = 0; step < 30; step++) {
        const at = `2026-03-01T01:0${below(random, 6)}:00Z`;
        const hits = allHits.filter(() => below(random, 2) === 0);
        stored.set(at, hits);
        await db.query(
          `insert into new_reports (org_id, cluster, updated_at, report) values (1, 'c', $1, $2)
           on conflict (org_id, cluster, updated_at) do update set report = excluded.report`,
          [at, aReport(...hits)],
        );
        const newest = [...stored.keys()].sort().at(-1) ?? "";
        const found = (await issues(db)).filter(({ closed_at }) => closed_at === null);
        assert.deepEqual(
          found.map(({ rule_name }) => rule_name),
          stored.get(newest),
          `history ${n}, step ${step} of SEED=${seed}`,
        );
      }
    });
  }
});
