import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, pick, type Random, seeded } from "../../dev/samples/random.ts";
import { addReports, loadContent, rows, someContent } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, type Matchers, previewSilence } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const rounds = 150;

const rules = ["disk", "net", "cpu"];
const keys = ["A", "B"];
const tags = ["security", "service", "osd_customer"];
const clusters = ["cluster-1", "cluster-2", "cluster-3", "cluster-4", "cluster-5", "cluster-6"];

const some = <T>(random: Random, from: readonly T[]): T[] => from.filter(() => below(random, 2) === 0);

type Issue = { org: number; cluster: string; rule: string; key: string; tags: string[] };

/** Random content and reports; returns the open issues as we know them. */
async function aFleet(db: PoolClient, random: Random): Promise<Issue[]> {
  const content = rules.flatMap((rule) =>
    keys.map((key) => ({ rule, key, tags: some(random, tags), known: below(random, 5) > 0 })),
  );
  await loadContent(
    db,
    content
      .filter(({ known }) => known)
      .map(({ rule, key, tags }) => someContent(`${rule}|${key}`, { tags })),
  );
  const issues = [1, 2].flatMap((org) =>
    clusters
      .filter((_, nth) => nth % 2 === org - 1)
      .flatMap((cluster) =>
        some(random, content).map(({ rule, key, tags, known }) => ({
          org,
          cluster,
          rule,
          key,
          tags: known ? tags : [],
        })),
      ),
  );
  const byReport = Object.groupBy(issues, ({ org, cluster }) => `${org} ${cluster}`);
  await addReports(
    db,
    Object.values(byReport).map((found) => ({
      org: found?.[0]?.org,
      cluster: found?.[0]?.cluster ?? "",
      at,
      hits: (found ?? []).map(({ rule, key }) => `${rule}|${key}`),
    })),
  );
  return issues;
}

/** At least one matcher, all of which may name what there is not. */
function someMatchers(random: Random): { matchers: Matchers; holds: (issue: Issue) => boolean } {
  const matchers: Matchers = {};
  const rule = pick(random, [...rules, "absent"]);
  const key = pick(random, keys);
  const spelling = pick(random, [rule, `a.b.${rule}`, `a.b.${rule}.report`, `${rule}|${key}`]);
  if (below(random, 3) === 0) matchers.org_id = 1 + below(random, 3);
  if (below(random, 3) === 0) matchers.cluster = pick(random, [...clusters, "cluster-9"]);
  if (below(random, 3) === 0) matchers.rule = spelling;
  if (below(random, 4) === 0 && !matchers.rule?.includes("|")) matchers.error_key = pick(random, keys);
  if (below(random, 3) === 0) matchers.tag = pick(random, [...tags, "absent"]);
  if (Object.keys(matchers).length === 0) matchers.tag = "security";
  const wanted = matchers.rule?.includes("|") ? key : matchers.error_key;
  const holds = (issue: Issue) =>
    (matchers.org_id === undefined || issue.org === matchers.org_id) &&
    (matchers.cluster === undefined || issue.cluster === matchers.cluster) &&
    (matchers.rule === undefined || issue.rule === rule) &&
    (wanted === undefined || issue.key === wanted) &&
    (matchers.tag === undefined || issue.tags.includes(matchers.tag));
  return { matchers, holds };
}

const silenced = async (db: PoolClient, id: unknown) =>
  (
    await rows(
      db,
      `select org_id || ' ' || cluster || ' ' || rule_name(component) || '|' || error_key as issue
       from decide(1, $1) where 'silenced' = any (reasons) and silence_id = $2 order by 1`,
      [at, id],
    )
  ).map(({ issue }) => String(issue));

test(`what a preview lists is exactly what the silence then holds (SEED=${seed})`, async () => {
  const random = seeded(seed);
  let held = 0;
  for (let round = 0; round < rounds / 10; round++) {
    await rolledBack(database.pool, async (db) => {
      const issues = await aFleet(db, random);
      for (let nth = 0; nth < 10; nth++) {
        const { matchers, holds } = someMatchers(random);
        const expected = issues
          .filter(holds)
          .map(({ org, cluster, rule, key }) => `${org} ${cluster} ${rule}|${key}`)
          .sort();
        const what = `round ${round} of SEED=${seed}: ${JSON.stringify(matchers)}`;
        await db.query("savepoint before");
        assert.deepEqual(await previewSilence(db, matchers, at), expected, what);
        const { id } = await addSilence(db, matchers);
        assert.deepEqual(await silenced(db, id), expected, what);
        await db.query("rollback to savepoint before");
        held += expected.length;
      }
    });
  }
  assert.ok(held > rounds, "enough was held to say anything");
});
