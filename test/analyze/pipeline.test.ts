import assert from "node:assert/strict";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";
import { oneFile, uploading } from "../support/uploading.ts";
import { announcement, archiveOf, noSamples, resultOf, sampleArchive, samples } from "../support/uploads.ts";

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

const rule = (name: string, source: string) => ({
  ...{ name, component: `a.${name}.report`, description: name, reads: ["**"], tags: [], links: {}, source },
});

scenario("bad uploads and bad rules end in their place, and nothing else is touched", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, env } = await uploading(scene, owned);
  await scene.rows("select rule from load_rules($1)", [
    JSON.stringify([
      rule("fine", "select 'FINE_RULE', jsonb_build_object('files', count(*)) from files"),
      rule("raises", "select 'A_B', to_jsonb(1 / count(*)) from files where false"),
      rule("endless", "select 'A_B', '{}'::jsonb from pg_sleep(600)"),
    ]),
  ]);
  const cluster = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
  const good = (n: number) => archiveOf({ "config/id": cluster(n) });
  const big = server.serve("/big", await archiveOf({ "config/a.json": Buffer.alloc(3_000_000) }));
  const deadBy = {
    refused: server.serve("/403", (_, response) => void response.writeHead(403).end()),
    redirected: server.serve(
      "/301",
      (_, response) => void response.writeHead(301, { location: "/good1" }).end(),
    ),
    not_found: `http://127.0.0.1:${server.port}/404`,
    forbidden_url: "http://169.254.169.254/latest/meta-data/",
    not_an_archive: server.serve("/xml", Buffer.from(`<Error>${"x".repeat(2_000)}</Error>`)),
    truncated: server.serve("/cut", (await good(1)).subarray(0, 40)),
    too_much_unpacked: big,
    unsafe_path: server.serve("/path", await archiveOf({ "../../etc/passwd": "x" })),
    no_cluster_id: server.serve("/none", await archiveOf({ "config/x": "x" })),
    bad_cluster_id: server.serve("/bad", await archiveOf({ "config/id": "no uuid" })),
  };
  const waitingFor = {
    server_error: server.serve("/500", (_, response) => void response.writeHead(500).end()),
    too_slow: server.serve("/slow", () => undefined),
    unreachable: "http://127.0.0.1:1/x",
  };
  const announced = Object.entries({ ...deadBy, ...waitingFor }).map(([requestId, url]) =>
    announcement({ url, requestId }),
  );
  const other = announcement({
    url: server.serve("/good3", await good(3)),
    cluster: cluster(4),
    requestId: "other_cluster",
  });
  await uploads.announce([
    announcement({ url: server.serve("/good1", await good(1)), requestId: "good 1" }),
    "no json",
    null,
    Buffer.from([0xff, 0xfe]),
    other,
    ...announced,
    announcement({ url: server.serve("/good2", await good(2)), requestId: "good 2" }),
  ]);
  const service = scene.start("analyze", {
    env: {
      ...{ ...env, CCX_ARCHIVE_MAX_UNPACKED_BYTES: "1000000", CCX_ARCHIVE_TIMEOUT_MS: "8000" },
      ...{ CCX_RULES_TIMEOUT_MS: "4000", CCX_RULE_TIMEOUT_MS: "3000" },
    },
  });
  const results = (await uploads.published(2)).map(resultOf);
  assert.deepEqual(results.map(({ RequestId }) => RequestId).sort(), ["good 1", "good 2"]);
  for (const { Report } of results)
    assert.deepEqual(
      Report.reports.map(({ key }) => key),
      ["FINE_RULE"],
    );
  const failures =
    "select request_id, failure from analysis where failure <> 'interrupted' order by request_id";
  const expected = [...Object.keys(deadBy), ...Object.keys(waitingFor), "other_cluster"].map((name) => ({
    ...{ request_id: name, failure: name },
  }));
  await until("all have failed", async () => (await scene.rows(failures)).length === expected.length + 3);
  const found = await scene.rows(failures);
  assert.deepEqual(
    found.filter(({ request_id }) => request_id !== null),
    expected.toSorted((a, b) => (a.request_id < b.request_id ? -1 : 1)),
  );
  assert.deepEqual(
    await scene.rows("select failure from dead_analysis where not redrivable order by failure"),
    ["invalid_utf8", "not_json", "tombstone"].map((failure) => ({ failure })),
  );
  const waits = await scene.rows("select failure from analysis where state = 'waiting' order by failure");
  assert.deepEqual(
    waits.map(({ failure }) => failure),
    Object.keys(waitingFor).sort(),
  );
  assert.deepEqual(
    await scene.rows("select component, reason, archives::integer from failing_rules order by component"),
    [
      { component: "a.endless.report", reason: "timed_out", archives: 2 },
      { component: "a.raises.report", reason: "raised", archives: 2 },
    ],
  );
  assert.deepEqual(server.unexpected, []);

  // a redrive reads the archive again, from where it is by now
  server.serve("/404", await good(5));
  await scene.rows(
    "select from redrive_analyses(array(select analysis_id from dead_analysis where failure = 'not_found'))",
  );
  assert.equal((await uploads.published(3)).map(resultOf)[2]?.RequestId, "not_found");
  await service.stop();
});

scenario("an archive costs so many statements and rows, however many rules there are", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, env, loaded } = await uploading(scene, owned);
  await loaded();
  const count = 20;
  const url = server.serve("/one", await archiveOf(oneFile("00000000-0000-4000-8000-00000000000a")));
  await uploads.announce(Array.from({ length: count }, (_, n) => announcement({ url, requestId: `r${n}` })));
  const service = scene.start("analyze", { env: { ...env, CCX_KEEP_ARCHIVES_PER_HOUR: "0" } });
  await uploads.published(count);
  await service.stop();
  const [rows] = await scene.rows(
    `select (select count(*)::integer from analysis where state = 'published') as published,
       (select count(*)::integer from archive_document) as documents,
       (select n_tup_ins::integer from pg_stat_user_tables where relname = 'analysis') as inserted`,
  );
  assert.deepEqual({ ...rows, inserted: count }, { published: count, documents: 0, inserted: count });
  const writes = await until("the statistics are in", async () => {
    const [found] = await scene.rows(
      "select n_tup_upd::integer as updated from pg_stat_user_tables where relname = 'analysis'",
    );
    return Number(found?.updated) >= 3 * count ? Number(found?.updated) : undefined;
  });
  assert.equal(writes, 3 * count, "claimed, analyzed, published");
});
