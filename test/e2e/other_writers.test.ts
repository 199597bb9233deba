import assert from "node:assert/strict";
import { issueOf } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";

scenario("a cluster of another program that is no UUID is notified of, too", {}, async (scene) => {
  scene.start("work");
  const cluster = "5d5892d4-2g85-4ccf-02bg-548dfc9767aa";
  const [component, key] = issueOf("bug").split("|");
  await scene.pool.query(
    `insert into new_reports (org_id, cluster, report, updated_at)
     values (1, $1, $2, now() - interval '1 minute')`,
    [
      cluster,
      JSON.stringify({
        reports: [{ component: `ccx_rules_ocp.external.bug_rules.${component}.report`, key }],
      }),
    ],
  );
  const [notified] = await scene.topics.received.take(1);
  assert.equal(notified?.cluster, cluster);
});
