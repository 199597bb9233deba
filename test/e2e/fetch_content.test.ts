import assert from "node:assert/strict";
import { answerInGob, answerInJson } from "../support/content_answer.ts";
import { startContentService } from "../support/content_service.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

const netSlow = {
  ...{ component: "pkg.rules.net_slow.report", key: "SLOW", type: "rule" },
  details: { type: "rule", error_key: "SLOW" },
};

/** As if the next five minutes were over. */
const wake = (scene: Scene) =>
  scene.rows(
    "select graphile_worker.add_job('fetch_content', job_key := 'fetch_content', max_attempts := 1)",
  );
/** What the worker has on its schedule; it puts all of it there at once, a moment after its start. */
const crontab = (scene: Scene) =>
  until("the schedule is there", async () => {
    const known = "select identifier from graphile_worker._private_known_crontabs order by 1";
    const identifiers = (await scene.rows(known)).map(({ identifier }) => identifier);
    return identifiers.length > 0 && identifiers;
  });
const versions = (scene: Scene) =>
  scene.rows("select id, xmin::text, validity from rule_content order by id");

scenario(
  "a worker takes new content from the content service, and old content outlives a bad answer",
  {},
  async (scene) => {
    await using content = await startContentService();
    const service = scene.start("run", {
      env: { CCX_CONTENT_URL: content.url, CCX_CONTENT_TIMEOUT_MS: "500" },
    });
    await service.says("running");
    assert.deepEqual(await crontab(scene), ["fetch_content", "retain", "survey", "sweep", "tidy_archives"]);

    const cluster = aCluster();
    await scene.topics.produce([
      aReport(cluster, [], {
        Report: {
          system: { metadata: {}, hostname: null },
          reports: [netSlow],
          fingerprints: [],
          skips: [],
          info: [],
        },
      }),
    ]);
    await scene.consumed(1);
    await scene.quiet();
    await scene.topics.received.assertNoMore(); // nothing is known of the rule

    await scene.rows("select accept_content()"); // nearly all rules of the samples go
    await wake(scene);
    const { added, removed } = await service.says("content fetched");
    assert.deepEqual([added, removed], [3, 17]);
    const [notified] = await scene.topics.received.take(1);
    assert.equal(notified?.cluster, cluster, "content that arrives is decided upon without a restart");

    const before = await versions(scene);
    const reasons = [
      "answers with HTTP 500",
      "does not answer within 500 ms",
      "breaks off in the middle of its answer",
      "the answer is not valid gob: byte 0: ends before its value",
    ];
    content.behave({ body: answerInGob, status: 500 }, "hang", "half-body", { body: Buffer.alloc(0) });
    for (const [nth, reason] of reasons.entries()) {
      await wake(scene);
      const line = await service.says("content not fetched, what was there stays", nth + 1);
      assert.deepEqual([line.level, line.reason], ["warn", `${content.name}: ${reason}`]);
    }
    await wake(scene);
    await until("the service is asked once more", () => content.requests() === 6);
    content.serve({ ...answerInJson, Rules: { disk_full: answerInJson.Rules.disk_full } });
    assert.deepEqual(await versions(scene), before, "the same content is no new version");
    await wake(scene);
    await service.says("content fetched", 2);

    assert.equal(service.lines.filter(({ level }) => level === "error" || level === "fatal").length, 0);
    assert.ok(!JSON.stringify(service.lines).includes("hunter2"), "the query of the URL is nowhere");
    assert.deepEqual(content.unexpected, []);
    content.behave("hang");
    await wake(scene);
    await until("the service is asked", () => content.requests() === 8);
    await service.stop(5_000);
  },
);

scenario("a worker without an address leaves fetching to others", {}, async (scene) => {
  const service = scene.start("work");
  await service.says("running");
  assert.deepEqual(await crontab(scene), ["retain", "survey", "sweep", "tidy_archives"]);
  await wake(scene);
  await scene.rows("select graphile_worker.add_job('sweep', job_key := 'other')");
  await until("a later job is done", async () => {
    const left = "select 1 from graphile_worker.jobs where key = 'other'";
    return (await scene.rows(left)).length === 0;
  });
  const job = "select attempts, locked_at from graphile_worker.jobs where task_identifier = 'fetch_content'";
  assert.deepEqual(await scene.rows(job), [{ attempts: 0, locked_at: null }]);
  await service.stop();
});
