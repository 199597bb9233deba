import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReport, decideDue, rows, value } from "../support/builders.ts";
import { assertGivesUp, runCcx } from "../support/command.ts";
import { folderOf, type GivenRule, openRules } from "../support/content_folder.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const run = (...args: string[]) => runCcx(["content", ...args], { DATABASE_URL: database.url });

/** Everything a load might leave behind. */
const traces = () =>
  rows(
    database.pool,
    `select (select jsonb_agg(to_jsonb(c) || jsonb_build_object('xmin', xmin) order by id) from rule_content c) as content,
       (select count(*) from decision_request) as requests, (select count(*) from graphile_worker.jobs) as jobs,
       (select count(*) from filter_result) as results`,
  );

const present: Record<string, GivenRule> = {
  disk: {},
  net: {},
  cpu: { impact: "Low", likelihood: 1 },
  ram: {},
};
const component = (rule: string) => `ccx_rules_ocp.external.rules.${rule}.report`;

test("ccx content diff says what a load would change and whose decisions, and changes nothing", async () => {
  await using folder = await openRules();
  await folder.replace(present);
  assert.equal((await run("load", folder.path)).code, 0);
  const cluster = aCluster();
  const now = String(await value(database.pool, "select now()"));
  await addReport(database.pool, cluster, now, ["disk", "net", "cpu", "ram", "new"]);
  await decideDue(database.pool, now);
  await database.pool.query(
    "update notified_issue set voided = tstzmultirange(tstzrange(notified_at, null))",
  );
  const before = await traces();

  const same = await run("diff", folder.path);
  assert.deepEqual([same.code, same.stdout, same.stderr], [3, "Nothing would change.\n", ""]);
  const none = await run("diff", folder.path, "--json");
  assert.deepEqual(
    [none.code, JSON.parse(none.stdout)],
    [3, { content: [], decisions: [], refused: [], too_much: null }],
  );

  await folder.replace({
    ...{ disk: { reason: "notified in other words" }, net: { impact: "Low", likelihood: 1 } },
    ...{ cpu: { impact: "Critical" }, new: {} },
  });
  const json = await run("diff", folder.path, "--json");
  assert.deepEqual([json.code, json.stderr], [0, ""]);
  const risk = (total_risk_before: number | null, total_risk: number | null) => ({
    total_risk_before,
    total_risk,
  });
  const changed = (rule_name: string, ...columns: string[]) => ({
    change: "changed",
    rule_name,
    error_key: "KEY",
    columns,
  });
  const decided = (rule: string, reasons_before: string[], reasons: string[]) => ({
    ...{ org_id: "1", cluster, component: component(rule), error_key: "KEY" },
    decision_before: reasons_before.length > 0 ? "hold" : "notify",
    decision: reasons.length > 0 ? "hold" : "notify",
    ...{ reasons_before, reasons },
  });
  const { content, decisions } = JSON.parse(json.stdout);
  assert.deepEqual(content, [
    { ...changed("cpu", "impact", "impact_name", "likelihood"), ...risk(1, 3) },
    { ...changed("disk", "reason"), ...risk(3, 3) },
    { ...changed("net", "impact", "impact_name", "likelihood"), ...risk(3, 1) },
    { change: "added", rule_name: "new", error_key: "KEY", columns: null, ...risk(null, 3) },
    { change: "removed", rule_name: "ram", error_key: "KEY", columns: null, ...risk(3, null) },
  ]);
  const backend = decisions.filter(({ target }: { target: string }) => target === "notifications backend");
  assert.deepEqual(
    backend.map(({ target: _, ...rest }: Record<string, unknown>) => rest),
    [
      decided("cpu", ["below_threshold"], []),
      decided("net", [], ["below_threshold"]),
      decided("new", ["no_content"], []),
      decided("ram", [], ["no_content"]),
    ],
  );

  const words = await run("diff", folder.path);
  assert.equal(words.code, 0);
  assert.match(words.stdout, /^change +rule name +error key +columns/);
  assert.match(words.stdout, /^changed +cpu +KEY +impact, impact_name, likelihood +1 +3$/m);
  assert.match(words.stdout, /^Open issues that would be decided differently:$/m);
  assert.match(
    words.stdout,
    new RegExp(`^notifications backend +1 +${cluster} +\\S+cpu\\S+ +KEY +hold +notify`, "m"),
  );
  assert.deepEqual(await traces(), before);

  await folder.replace({ ...present, disk: { reason: "notified in other words" } });
  const text = await run("diff", folder.path);
  assert.match(text.stdout, /^changed +disk .*\n\nNo open issue would be decided differently\.\n$/m);
  assert.equal(text.code, 0);
  assert.equal((await run("load", folder.path)).stdout, "0 added, 1 changed, 0 removed, 3 unchanged\n");
});

test("what a load would leave out is one line each; a folder that cannot be read is one with exit code 1", async (t) => {
  const before = await traces();
  await using folder = await openRules();
  await folder.replace({ ...present, disk: { likelihood: 9 } });
  const end = await run("diff", folder.path);
  assert.match(end.stderr, /^ccx: disk\|KEY is left out: external\/disk\/KEY\/metadata\.yaml: .*\n$/);
  assertGivesUp(await run("diff", await folderOf(t, {})), /^ccx: /);
  assert.deepEqual(await traces(), before);
});

test("a load that would change too much needs a word that it is meant, and a diff says so", async () => {
  await using folder = await openRules();
  const names = Array.from({ length: 10 }, (_, nth) => `many${nth}`);
  await folder.replace(Object.fromEntries(names.map((name) => [name, {}])));
  assert.equal((await run("load", folder.path, "--yes")).code, 0);
  await folder.replace({ many0: {} });
  const before = await traces();
  const refusal = "this would end 9 and change 0 of 10 rules and error keys in force, more than 20 %";
  const diff = await run("diff", folder.path);
  assert.deepEqual([diff.code, diff.stdout.includes(`A load is refused: ${refusal}`)], [0, true]);
  const load = await run("load", folder.path);
  assertGivesUp(load, /^ccx: this would end 9 and change 0 of 10 .*--yes or /);
  assert.deepEqual(await traces(), before);
  const meant = await run("load", folder.path, "--yes");
  assert.deepEqual([meant.code, meant.stdout], [0, "0 added, 0 changed, 9 removed, 1 unchanged\n"]);
  assert.match(
    (await run("accept")).stdout,
    /^The next load that would change too much is taken over, until /,
  );
});
