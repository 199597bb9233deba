import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const sql = path.join(import.meta.dirname, "../../sql");

test("every reason that a decision can have is explained, and no other", async () => {
  const given = async (file: string, by_policy: boolean) =>
    [...(await readFile(path.join(sql, file), "utf8")).matchAll(/\bthen '(\w+)' end/g)].map(([, reason]) => ({
      reason,
      // the two that depend on the cluster depend on settings all the same
      by_policy: by_policy || /^cluster_/.test(reason ?? ""),
    }));
  const reasons = [
    ...(await given("policy/policy_reasons.sql", true)),
    ...(await given("decide/hold_reasons.sql", false)),
  ];
  const explained = await rows(database.pool, "select reason, by_policy from hold_reason");
  const sorted = (list: object[]) => list.map((one) => JSON.stringify(one)).sort();
  assert.ok(reasons.length > 10);
  assert.deepEqual(
    sorted(explained),
    sorted(reasons),
    "sql/decide/hold_reason.sql has what policy_reasons() and hold_reasons() give",
  );
});
