import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { loadContent, type Row, rows, someContent, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

const diff = (db: PoolClient) =>
  rows(
    db,
    `select rule_name || '|' || error_key as content, change, columns, total_risk_before, total_risk
     from content_diff order by 1`,
  );

/** Content of a time before this transaction, then this content within it. */
async function changed(db: PoolClient, before: (string | Row)[], after: (string | Row)[]): Promise<Row[]> {
  await loadContent(db, [...before, "long gone"], "2019-01-01T00:00:00Z");
  await loadContent(db, before);
  assert.deepEqual(await diff(db), [], "nothing was changed in this transaction");
  await loadContent(db, after, String(await value(db, "select now()")));
  return diff(db);
}

test("what a transaction adds, changes and removes is listed, with the columns and the risk", () =>
  rolledBack(database.pool, async (db) => {
    const differences = await changed(
      db,
      ["changed", "gone", "same", "two|A", "two|B"],
      [
        someContent("changed", { impact: 4, likelihood: 4, tags: ["x"], reason: "other" }),
        "new",
        "same",
        "two|A",
        someContent("two|B", { publish_date: "2020-05-06T07:08:09Z" }),
      ],
    );
    const risks = (total_risk_before: number | null, total_risk: number | null) => ({
      total_risk_before,
      total_risk,
    });
    assert.deepEqual(differences, [
      {
        content: "changed|KEY",
        change: "changed",
        columns: ["impact", "likelihood", "reason", "tags"],
        ...risks(3, 4),
      },
      { content: "gone|KEY", change: "removed", columns: null, ...risks(3, null) },
      { content: "new|KEY", change: "added", columns: null, ...risks(null, 3) },
      { content: "two|B", change: "changed", columns: ["publish_date"], ...risks(3, 3) },
    ]);
    const [versions] = await rows(
      db,
      `select d.content_id_before = o.id and d.content_id = n.id as right
       from content_diff d join rule_content o on o.rule_name = 'changed' and not upper_inf(o.validity)
       join rule_content n on n.rule_name = 'changed' and upper_inf(n.validity) where d.rule_name = 'changed'`,
    );
    assert.deepEqual(versions, { right: true });
  }));

test("every column of the content can be what changed", () =>
  rolledBack(database.pool, async (db) => {
    const changes: Row = {
      python_module: "elsewhere.disk",
      description: "other",
      generic: "other",
      summary: "other",
      reason: "other",
      resolution: "other",
      more_info: "other",
      impact: 2,
      likelihood: 2,
      status: "inactive",
      publish_date: "2020-05-06T07:08:09Z",
      tags: ["x"],
    };
    const [difference] = await changed(db, ["disk"], [someContent("disk", changes)]);
    assert.deepEqual(difference?.columns, Object.keys(changes).sort());
  }));
