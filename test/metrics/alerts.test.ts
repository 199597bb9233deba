import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { boards, grafana } from "../../dev/boards.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const root = path.join(import.meta.dirname, "../..");
const read = (file: string) => readFile(path.join(root, file), "utf8");

type Rule = {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
};
const { groups } = parse(await read("deploy/alerts/rules.yaml")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap(({ rules }) => rules);
const runbook = await read("docs/runbook.md");

/** The metrics that an expression names. */
const metricsIn = (expression: string) =>
  [...expression.matchAll(/\b(?:ccx|nodejs|process)_\w+/g)].map(([name]) =>
    name.replace(/_(?:bucket|sum|count)$/, ""),
  );

/** Those which the reference describes; a test compares it with what a running service exports. */
async function described(): Promise<Set<string>> {
  const page = await read("docs/reference/metrics.md");
  return new Set([...page.matchAll(/`((?:ccx|nodejs|process)_\w+)`/g)].map(([, name = ""]) => name));
}

test("every metric that an alert or a board names is one that we export", async () => {
  const known = await described();
  const expressions = [
    ...rules.map(({ expr }) => expr),
    ...boards.flatMap(({ panels }) => panels.flatMap(({ lines }) => lines.map(([, expr]) => expr))),
  ];
  for (const expression of expressions) {
    assert.ok(metricsIn(expression).length > 0, expression);
    for (const name of metricsIn(expression)) assert.ok(known.has(name), `${name} in ${expression}`);
  }
});

test("the boards are those which npm run boards writes", async () => {
  for (const board of boards)
    assert.equal(await read(`deploy/grafana/boards/${board.uid}.json`), grafana(board), "npm run boards");
});

test("every alert has its section in the runbook, and no section is without an alert", () => {
  const sections = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name = ""]) => name);
  assert.deepEqual(
    sections,
    rules.map(({ alert }) => alert),
  );
  for (const { alert, annotations, labels } of rules) {
    assert.equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`);
    const [, section = ""] = runbook.split(`## ${alert}\n`);
    const text = section.split("\n## ")[0] ?? "";
    assert.ok(text.replaceAll(/\s+/g, " ").includes(`${annotations.summary} (${labels.severity}).`), alert);
    assert.match(text, /Look first at:\n\n```(?:sql|sh)\n/, alert);
  }
});

test("every query of the runbook is one that the database answers", async () => {
  const queries = [...runbook.matchAll(/^```sql\n([\s\S]*?)```$/gm)].map(([, query = ""]) => query);
  assert.ok(queries.length > 10);
  for (const query of queries) await database.pool.query(query);
});

test("every alert has a case in which it fires, and one in which it does not", async () => {
  const { tests } = parse(await read("deploy/alerts/tests.yaml")) as { tests: { name: string }[] };
  assert.deepEqual(
    tests.map(({ name }) => name),
    rules.flatMap(({ alert }) => [`${alert} fires`, `${alert} does not fire`]),
  );
});
