import assert from "node:assert/strict";
import { test } from "node:test";
import { compareRejected } from "./books.ts";
import { chaos, defaultSeed, short } from "./chaos.ts";
import { kindsOf, planOf } from "./plan.ts";
import { type Analysis, compareUploads, type Result, storedOtherwise } from "./upload_books.ts";
import type { Upload } from "./uploads.ts";

const seed = Number(process.env.SEED ?? defaultSeed);

test(`whatever goes wrong, nothing is lost and nothing is notified twice (SEED=${seed})`, async (t) => {
  const lines: string[] = [];
  const { figures, wrong, notes } = await chaos({ ...short, seed, say: (line) => lines.push(line) }).catch(
    (error) => {
      for (const line of lines) t.diagnostic(line);
      throw error;
    },
  );
  t.diagnostic(JSON.stringify(figures));
  if (wrong.length > 0) for (const line of [...lines, ...notes]) t.diagnostic(line);
  assert.deepEqual(wrong, []);
  assert.deepEqual([figures.lost, figures.notified_twice], [0, 0]);
  assert.deepEqual([figures.uploads_lost, figures.results_differ], [0, 0]);
  // it was worth the while
  assert.deepEqual(
    Object.keys(figures.faults).sort(),
    kindsOf(short.lengthMs).sort(),
    "every kind of fault came",
  );
  assert.ok(
    figures.stored > 100 &&
      figures.rejected > 3 &&
      figures.notified > 100 &&
      figures.uploads >= short.leastUploads,
    JSON.stringify(figures),
  );
});

test("the same seed gives the same faults, another one gives others", () => {
  const plan = (seed: number) => planOf(seed, 600_000, 3_000);
  assert.deepEqual(plan(1), plan(1));
  assert.notDeepEqual(plan(1), plan(2));
  assert.ok(plan(1).length > 150);
});

test("in a run of seven minutes or more an analyzer stands still until others take its archives", () => {
  const longest = (minutes: number, seed: number) =>
    Math.max(
      ...planOf(seed, minutes * 60_000, 3_000).map(({ kind, ms }) => (kind === "freeze_analyzer" ? ms : 0)),
    );
  for (let seed = 1; seed <= 20; seed++) assert.ok(longest(10, seed) > 180_000, `seed ${seed}`);
  assert.ok(longest(5, 1) < 10_000, "not in a short one");
});

test("in a run of five minutes or more a worker and a consumer stand still until they are taken for dead", () => {
  const longest = (kind: string, minutes: number, seed: number) =>
    Math.max(
      ...planOf(seed, minutes * 60_000, 3_000).flatMap((fault) => (fault.kind === kind ? [fault.ms] : [])),
    );
  for (let seed = 1; seed <= 20; seed++)
    for (const minutes of [5, 10]) {
      assert.ok(
        longest("freeze_worker", minutes, seed) > 120_000,
        `worker, seed ${seed}, ${minutes} minutes`,
      );
      assert.ok(
        longest("freeze_consumer", minutes, seed) > 30_000,
        `consumer, seed ${seed}, ${minutes} minutes`,
      );
    }
  assert.ok(longest("freeze_worker", 4, 1) < 10_000, "not in a short one");
});

test("a message that was rejected twice does not balance, nor one with another reason, nor one that is not there", () => {
  const expected = new Map([
    ["0/1", "empty"],
    ["0/2", "not_json"],
  ]);
  assert.deepEqual(compareRejected(expected, [...expected]), { unrejected: [], otherwise: [], again: [] });
  const rows: [string, string][] = [
    ["0/1", "empty"],
    ["0/1", "empty"],
    ["0/3", "empty"],
  ];
  assert.deepEqual(compareRejected(expected, rows), {
    unrejected: ["0/2"],
    otherwise: [["0/3", "empty"]],
    again: [["0/1", "empty"]],
  });
});

const anUpload = (id: string, expect: Upload["expect"] = { hits: ["bug", "volume"] }): Upload => ({
  ...{ id, org: 1, cluster: "c", vouched: true, bytes: Buffer.alloc(0), sha256: "" },
  expect,
});
const aResult = (id: string, more: Partial<Result> = {}): Result => ({
  ...{ id, value: `result of ${id}`, org: 1, cluster: "c", lastChecked: "", hits: ["bug", "volume"] },
  ...{ reports: [{ key: "BUG" }], ...more },
});
const published = (id: string, failedRules: string[] = []): Analysis => ({
  ...{ id, state: "published", failure: null, failedRules },
});
const dead = (id: string, failure: string): Analysis => ({ id, state: "dead", failure, failedRules: [] });

test("uploads balance that ended as one result, published twice or not, or as the failure that they had to", () => {
  const uploads = [anUpload("a"), anUpload("b"), anUpload("bad", { failure: "truncated" })];
  const results = [aResult("a"), aResult("a"), aResult("b", { hits: ["bug"] })];
  const analyses = [
    published("a"),
    published("b", ["ccx_rules_ocp.external.rules.image_registry_no_volume_set_check.report"]),
    dead("bad", "truncated"),
  ];
  assert.deepEqual(compareUploads(uploads, results, analyses), {
    ...{ lost: [], differ: [], again: 1, otherwise: {} },
  });
});

test("an upload of which nothing came, a second content, and other hits do not balance", () => {
  const one = [anUpload("a")];
  assert.deepEqual(compareUploads(one, [], []).lost, ["a"], "it was not even announced");
  assert.deepEqual(compareUploads(one, [], [published("a")]).lost, ["a"], "the topic has no result");
  const bad = anUpload("bad", { failure: "truncated" });
  assert.deepEqual(compareUploads([bad], [], []).lost, ["bad"], "its failure is not visible");
  const twice = [aResult("a"), aResult("a", { value: "another" })];
  assert.deepEqual(compareUploads(one, twice, [published("a")]).differ, ["a"]);
  const wrong = (results: Result[], analyses: Analysis[], uploads = one) =>
    Object.keys(compareUploads(uploads, results, analyses).otherwise);
  assert.deepEqual(wrong([aResult("a", { hits: ["bug"] })], [published("a")]), ["results with other hits"]);
  const more: Result["hits"] = ["bug", "volume", "proxy"];
  assert.deepEqual(wrong([aResult("a", { hits: more })], [published("a")]), ["results with other hits"]);
  assert.deepEqual(wrong([aResult("a", { cluster: "d" })], [published("a")]), ["results of somebody else"]);
  assert.deepEqual(wrong([aResult("a")], [published("a"), published("a")]), [
    "uploads with several analyses",
  ]);
  assert.deepEqual(wrong([aResult("x")], [], []), ["results of what nobody uploaded"]);
  assert.deepEqual(wrong([], [dead("a", "interrupted")]), ["good archives that were given up"]);
  for (const [results, analysis] of [
    [[], dead("bad", "not_found")],
    [[aResult("bad")], dead("bad", "truncated")],
  ] as const)
    assert.deepEqual(wrong([...results], [analysis], [bad]), [
      "bad archives that did not end as they should",
    ]);
});

test("a result does not balance that is stored with other hits, or not at all", () => {
  const results = [aResult("a"), aResult("b"), aResult("c")];
  const stored = new Map([
    ["a", '{"reports": [{"key": "BUG"}]}'],
    ["b", '{"reports": []}'],
  ]);
  assert.deepEqual(storedOtherwise(results, stored), ["b", "c"]);
});
