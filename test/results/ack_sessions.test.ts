import assert from "node:assert/strict";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();

test("who acknowledges a rule that another one is taking back acknowledges it anew", async () => {
  const ack =
    "select created, body::jsonb->>'rule' as rule from ccx.results_ack_rule(11, 'jane', 'a.b', 'KEY', 'known')";
  assert.deepEqual(await rows(database.pool, ack), [{ created: true, rule: "a.b|KEY" }]);
  await twoSessions(database.pool, async (taking, acknowledging) => {
    await taking.query("select ccx.results_end_ack(11, 'a.b', 'KEY')");
    const again = rows(acknowledging, ack);
    await waitsForLock(database.pool, acknowledging, again);
    await taking.query("commit");
    assert.deepEqual(await again, [{ created: true, rule: "a.b|KEY" }]);
    await acknowledging.query("commit");
  });
  assert.deepEqual(await rows(database.pool, "select rule_id, error_key, justification from rule_disable"), [
    { rule_id: "a.b", error_key: "KEY", justification: "known" },
  ]);
});
