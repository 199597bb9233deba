import assert from "node:assert/strict";
import { readRules } from "../../src/analyze/rule_files.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";
import {
  announcement,
  archiveOf,
  noSamples,
  openUploads,
  resultOf,
  sampleArchive,
  samples,
  startArchiveServer,
} from "../support/uploads.ts";

const killed = { code: null, signal: "SIGKILL" };
const rulesFolder = new URL("../../rules", import.meta.url).pathname;

/** What analysis needs besides a scene: an object store, a topic of announcements, the rules of this project. */
async function uploading(scene: Scene, owned: AsyncDisposableStack) {
  const server = owned.use(await startArchiveServer());
  const uploads = owned.use(await openUploads(scene.topics.brokers, scene.topics.results));
  const loaded = async () =>
    scene.rows("select rule from load_rules($1)", [JSON.stringify(await readRules(rulesFolder))]);
  const env = { CCX_ANNOUNCEMENTS_TOPIC: uploads.topic, CCX_ANALYZE_GROUP: uploads.group };
  const ended = (count: number) =>
    until(`${count} analyses have ended`, async () => {
      const open = await scene.rows("select state, failure, error from analysis where ended_at is not null");
      return open.length >= count ? open : undefined;
    });
  return { server, uploads, loaded, env, ended };
}

const oneFile = (cluster: string) => ({
  "config/id": cluster,
  "config/network.json": '{"status":{"networkType":"OpenShiftSDN"}}',
});

scenario(
  "archives become the results that the pipeline before us would publish, and those become notifications",
  { skip: noSamples },
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const { server, uploads, loaded, env } = await uploading(scene, owned);
    await loaded();
    const { healthy, mixed } = samples;
    const urls = {
      healthy: server.serve("/healthy?X-Amz-Signature=a&X-Amz-Expires=86400", await sampleArchive("healthy")),
      mixed: server.serve("/mixed", await sampleArchive("mixed")),
    };
    const at = new Date();
    await uploads.announce([
      announcement({ url: urls.healthy, requestId: "a1", org: 42, cluster: healthy.cluster, at }),
      announcement({ url: urls.mixed, requestId: "a2", org: 43, at }), // config/id names the cluster
    ]);
    await uploads.announce([announcement({ url: urls.mixed })], "advisor");
    const service = scene.start("run", { env });
    const results = (await uploads.published(2)).map((message) => ({ ...message, ...resultOf(message) }));
    results.sort((a, b) => a.OrgID - b.OrgID);
    const [first, second] = results;
    assert.ok(first && second);
    assert.deepEqual(
      [first.key, first.OrgID, first.ClusterName, first.RequestId, first.Version, first.AccountNumber],
      [healthy.cluster, 42, healthy.cluster, "a1", 2, 6212377],
    );
    assert.equal(
      first.LastChecked,
      at.toISOString().replace("Z", "478901Z"),
      "the announcement's time as written",
    );
    assert.equal(first.Metadata.gathering_time, "2026-11-27T07:31:46Z", "converted, not relabelled");
    assert.deepEqual(Object.keys(JSON.parse(first.value)), [
      ...[
        "OrgID",
        "ClusterName",
        "Report",
        "LastChecked",
        "Version",
        "RequestId",
        "Metadata",
        "AccountNumber",
      ],
    ]);
    assert.deepEqual(Object.keys(first.Report), ["system", "reports", "fingerprints", "analysis_metadata"]);
    assert.deepEqual(
      first.Report.reports.map(({ key }) => key),
      [
        ...[
          "CLUSTER_VERSION_FAILING",
          "CONTAINER_RESTARTS",
          "GATHERERS_FAILED",
          "PRERELEASE_ON_STABLE_CHANNEL",
        ],
        ...["UPDATES_NOT_RETRIEVED", "WEBHOOK_MAY_BLOCK"],
      ],
    );
    assert.deepEqual(first.Report.reports[3], {
      rule_id: "prerelease_version|PRERELEASE_ON_STABLE_CHANNEL",
      component: "ccx_rules_sql.prerelease_version.report",
      type: "rule",
      key: "PRERELEASE_ON_STABLE_CHANNEL",
      details: {
        version: "4.17.0-rc.0",
        channel: "stable-4.17",
        type: "rule",
        error_key: "PRERELEASE_ON_STABLE_CHANNEL",
      },
      tags: ["upgrade"],
      links: {},
    });
    assert.equal(second.ClusterName, mixed.cluster);
    assert.deepEqual(
      second.Report.reports.map(({ key }) => key),
      [
        ...["CLUSTER_ID_DIFFERS", "CONTAINER_RESTARTS", "GATHERERS_FAILED", "IMAGE_REGISTRY_EMPTY_DIR"],
        ...["NETWORK_OPENSHIFT_SDN", "OPERATOR_DEGRADED", "OPERATOR_NOT_UPGRADEABLE"],
        ...["NAMESPACES_WITH_OVERLAPPING_UIDS", "VERSION_END_OF_LIFE"],
      ],
    );
    // our own consumer takes both, and their hits are issues
    await until(
      "both reports are stored",
      async () => (await scene.value("select count(*) from new_reports")) === "2",
    );
    assert.equal(await scene.value("select count(*)::integer from issue"), 15);
    assert.equal(await scene.value("select count(*)::integer from rejected_message"), 0);
    const steps = await scene.rows("select step, took >= '0' or took is null as forward from trace('a1')");
    assert.deepEqual(
      steps.map(({ step }) => step),
      ["announced", "taken", "fetched", "analyzed", "published", "stored"],
    );
    assert.deepEqual(
      await scene.rows("select step from trace($1)", [healthy.cluster]),
      steps.map(({ step }) => ({ step })),
    );
    assert.equal(
      await scene.value("select count(*)::integer from analysis"),
      2,
      "another service's is skipped",
    );
    assert.deepEqual(await scene.rows("select cluster from kept_archive order by cluster"), [
      { cluster: healthy.cluster },
      { cluster: mixed.cluster },
    ]);
    const tried = await scene.rows(
      "select error_key, details ->> 'version' as version from backtest_rule('prerelease_version')",
    );
    assert.deepEqual(tried, [{ error_key: "PRERELEASE_ON_STABLE_CHANNEL", version: "4.17.0-rc.0" }]);
    assert.deepEqual(server.unexpected, []);
    await service.stop();
    assert.equal(await uploads.committed(), 3);
  },
);

scenario("a repeated announcement, and one that comes twice, is one analysis", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, loaded, env, ended } = await uploading(scene, owned);
  await loaded();
  const cluster = "00000000-0000-4000-8000-00000000000A";
  const url = server.serve("/one", await archiveOf(oneFile(cluster)));
  const value = announcement({ url, requestId: "again" });
  await uploads.announce([value, value]);
  const service = scene.start("analyze", { env });
  await uploads.published(1);
  await uploads.announce([value]);
  await until("all are consumed", async () => (await uploads.committed()) === 3);
  assert.equal((await ended(1))?.length, 1);
  assert.equal(server.times("/one"), 1);
  assert.equal(await uploads.resultCount(), 1);
  const [message] = await uploads.published(1);
  assert.ok(message);
  assert.equal(message.key, cluster.toLowerCase());
  await service.stop();
});

scenario("without any rule nothing is consumed, and nothing is published", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, loaded, env } = await uploading(scene, owned);
  const url = server.serve("/one", await archiveOf(oneFile("00000000-0000-4000-8000-00000000000a")));
  await uploads.announce([announcement({ url })]);
  const service = scene.start("analyze", { env });
  await service.says("no rules are loaded, so archives are not analyzed: ccx analyze load DIR");
  assert.deepEqual(await scene.rows("select from consumer_offset"), []);
  await loaded();
  const [message] = await uploads.published(1);
  assert.ok(message);
  assert.deepEqual(
    resultOf(message).Report.reports.map(({ key }) => key),
    ["NETWORK_OPENSHIFT_SDN"],
  );
  await service.stop();
});

const slowRule = {
  name: "slow",
  component: "a.slow.report",
  description: "Takes its time.",
  reads: ["config/id"],
  tags: [],
  links: {},
  source: "select 'SLOW_RULE', '{}'::jsonb from pg_sleep(0.5)",
};

// "take": the row and the offset are about to be stored; "run": in the middle of a rule; "publish": the result
// waits; "settle": it is out, and that is about to be recorded
for (const moment of ["take", "run", "publish", "settle"] as const)
  scenario(
    `an analyzer killed at "${moment}" loses nothing, and says nothing else the next time`,
    {},
    async (scene) => {
      await using owned = new AsyncDisposableStack();
      const { server, uploads, env, ended } = await uploading(scene, owned);
      await scene.rows("select rule from load_rules($1)", [JSON.stringify([slowRule])]);
      const url = server.serve("/one", await archiveOf(oneFile("00000000-0000-4000-8000-00000000000a")));
      await uploads.announce([announcement({ url, requestId: "killed" })]);
      const unlucky = scene.start("analyze", {
        env: { ...env, KILL_BEFORE: moment },
        preload: "./kill_analyzer.ts",
      });
      assert.deepEqual(await unlucky.ends(), killed, unlucky.stderr);
      // the server notices only when it has something to say to the process that is gone
      await scene.rows(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'ccx analyze'`);
      await uploads.evictMembers();
      const before = await scene.rows("select state, attempts, message from analysis");
      const states = { take: [], run: ["waiting"], publish: ["analyzed"], settle: ["analyzed"] };
      assert.deepEqual(
        before.map(({ state }) => state),
        states[moment],
      );
      assert.equal(await uploads.resultCount(), moment === "settle" ? 1 : 0);

      await scene.rows("update analysis set next_attempt_at = now()"); // as if the lease had ended
      const lucky = scene.start("analyze", { env });
      await ended(1);
      assert.deepEqual(await scene.rows("select state, failure, message from analysis"), [
        { state: "published", failure: null, message: null },
      ]);
      const results = await uploads.published(moment === "settle" ? 2 : 1);
      assert.equal(results.length, moment === "settle" ? 2 : 1);
      assert.equal(new Set(results.map(({ value }) => value)).size, 1, "byte by byte the same");
      if (moment === "publish") assert.equal(results[0]?.value, before[0]?.message);
      assert.equal(server.times("/one"), moment === "run" ? 2 : 1);
      await lucky.stop();
    },
  );
