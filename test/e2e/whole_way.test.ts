import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { sampleArchives } from "../../dev/samples/archives.ts";
import { seeded } from "../../dev/samples/random.ts";
import { startGuard } from "../../dev/stack/guard.ts";
import { startS3 } from "../../dev/stack/s3/s3.ts";
import { findPorts } from "../../dev/stack/server.ts";
import { readRules } from "../../src/analyze/rule_files.ts";
import { loadContent } from "../../src/content/source/load.ts";
import { S3Store } from "../../src/objects/s3.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { followTopics, testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";
import { uploading } from "../support/uploading.ts";
import { announcement, identityOf, noSamples, resultOf, sampleArchive, samples } from "../support/uploads.ts";

const rules = new URL("../../rules", import.meta.url).pathname;

async function folderOf(owned: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-whole-way-"));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Uploads an archive with curl, as the Insights Operator does; returns its request id. */
async function curl(
  url: string,
  folder: string,
  bytes: Buffer,
  org: number,
  cluster: string,
): Promise<string> {
  const [file, metadata] = [path.join(folder, "payload.tar.gz"), path.join(folder, "metadata.json")];
  await writeFile(file, bytes);
  await writeFile(metadata, '{"custom_metadata":{"gathering_time":"2026-11-27T08:31:46+01:00"}}');
  const { stdout } = await promisify(execFile)("curl", [
    ...["--silent", "--show-error", "--include", "--header", `x-rh-identity: ${identityOf(org, cluster)}`],
    ...["--header", `User-Agent: insights-operator/4.17.0-abc cluster/${cluster}`],
    ...["--header", "Transfer-Encoding: chunked"],
    ...["--form", `file=@${file};type=application/vnd.redhat.openshift.periodic`],
    ...["--form", `metadata=@${metadata};type=application/octet-stream`],
    `${url}/api/ingress/v1/upload`,
  ]);
  assert.match(stdout, /^HTTP\/1\.1 202 /);
  return /^x-rh-insights-request-id: (\w+)\r$/m.exec(stdout)?.[1] ?? "";
}

/** Loads the rules of this project and their texts, and starts everything in one process. */
async function startAll(scene: Scene, owned: AsyncDisposableStack) {
  await scene.rows("select rule from load_rules($1)", [JSON.stringify(await readRules(rules))]);
  await loadContent(scene.pool, path.join(rules, "content"), true);
  const named = (name: string) => scene.topics.results.replace("ccx.ocp.results", name);
  const env = {
    CCX_ANNOUNCEMENTS_TOPIC: named("platform.upload.announce"),
    CCX_PAYLOAD_STATUS_TOPIC: named("platform.payload-status"),
    CCX_ANALYZE_GROUP: `ccx_analyze.${scene.topics.group}`,
  };
  owned.use(await followTopics(testKafka(), [env.CCX_ANNOUNCEMENTS_TOPIC, env.CCX_PAYLOAD_STATUS_TOPIC]));
  const [port] = await findPorts(1);
  const service = scene.start("run", { env: { ...env, CCX_HTTP_PORT: String(port) } });
  await service.says("running");
  return { service, url: `http://127.0.0.1:${port}` };
}

const steps = (target: string, state = "sent") => ["decided", state].map((step) => `${step} ${target}`);

async function assertNotified(
  scene: Scene,
  given: { requestId: string; org: number; cluster: string; backend: string[]; serviceLog: string[] },
): Promise<void> {
  const { requestId, org, cluster } = given;
  await until("both targets have their messages", async () => {
    const sent = await scene.value(
      "select count(*)::integer from notification where cluster = $1 and state = 'sent'",
      [cluster],
    );
    return sent === 1 + given.serviceLog.length;
  });
  // at the receivers
  const [notified] = await scene.topics.received.take(1);
  assert.deepEqual(
    [notified?.cluster, notified?.org, notified?.issues.toSorted()],
    [cluster, String(org), given.backend],
  );
  const entries = scene.receiver.entries.filter(({ body }) => body.cluster_uuid === cluster);
  assert.equal(entries.length, given.serviceLog.length);
  // the report through the tables
  assert.deepEqual(
    await scene.rows("select org_id, cluster from new_reports where cluster = $1", [cluster]),
    [{ org_id: String(org), cluster }],
  );
  // and the trace
  const trace = await scene.rows(
    `select case when step in ('decided', 'sent') then step || ' ' || regexp_replace(detail, '[:,].*', '') else step end as step,
       at is not null and (took >= '0' or place = 1) as is_timed, request_id
     from trace($1) order by place`,
    [requestId],
  );
  const once = ["received", "kept", "announced", "taken", "fetched", "analyzed", "published", "stored"];
  const messages = [
    steps("notifications backend"),
    ...given.serviceLog.map(() => steps("service log")),
  ].flat();
  assert.deepEqual(
    trace.slice(0, once.length).map(({ step }) => step),
    once,
  );
  assert.deepEqual(
    trace
      .slice(once.length)
      .map(({ step }) => step)
      .sort(),
    messages.sort(),
  );
  assert.ok(trace.every(({ is_timed, request_id }) => is_timed && request_id === requestId));
  const [status] = await scene.rows(
    "select state, failure, org_id from upload_status where request_id = $1",
    [requestId],
  );
  assert.deepEqual(status, { state: "done", failure: null, org_id: String(org) });
}

scenario(
  "an upload with curl, as the Insights Operator makes it, is a message at each receiver, and the trace is complete",
  { serviceLog: true },
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const folder = await folderOf(owned);
    const { service, url } = await startAll(scene, owned);
    const archive = (await sampleArchives(seeded(1)))[2];
    assert.ok(archive && "keys" in archive.expect);
    const { org, cluster } = archive;
    const requestId = await curl(url, folder, archive.bytes, org, cluster);
    await assertNotified(scene, {
      ...{ requestId, org, cluster },
      backend: ["network_openshift_sdn|NETWORK_OPENSHIFT_SDN", "version_end_of_life|VERSION_END_OF_LIFE"],
      serviceLog: ["network_openshift_sdn|NETWORK_OPENSHIFT_SDN"],
    });
    const tracked = await fetch(`${url}/api/ingress/v1/track/${requestId}`, {
      headers: { "x-rh-identity": identityOf(org, cluster) },
    });
    assert.equal(((await tracked.json()) as { status: string }).status, "success");

    // redriven after its URL has expired: as long as the archive is kept, it has another one
    const redrive = async () => {
      await scene.rows(
        `update analysis set state = 'dead', failure = 'refused', ended_at = now(),
           url = regexp_replace(url, 'expires=[0-9]+', 'expires=1')`,
      );
      await scene.rows("select from redrive_analyses(array(select analysis_id from dead_analysis))");
      return until("it has ended", async () =>
        scene.value("select state from analysis where ended_at is not null and attempts = 1"),
      );
    };
    assert.equal(await redrive(), "published");
    await scene.rows("update archive set removed_at = now()");
    assert.equal(await redrive(), "dead");
    await service.stop();
  },
);

scenario(
  "an archive of a real cluster goes the whole way, too",
  { serviceLog: true, skip: noSamples },
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const folder = await folderOf(owned);
    const { service, url } = await startAll(scene, owned);
    const { cluster } = samples.healthy;
    const requestId = await curl(url, folder, await sampleArchive("healthy"), 42, cluster);
    await assertNotified(scene, {
      ...{ requestId, org: 42, cluster },
      backend: [
        "cluster_version_failing|CLUSTER_VERSION_FAILING",
        "container_restarts|CONTAINER_RESTARTS",
        "prerelease_version|PRERELEASE_ON_STABLE_CHANNEL",
        "updates_not_retrieved|UPDATES_NOT_RETRIEVED",
        "webhook_may_block|WEBHOOK_MAY_BLOCK",
      ],
      serviceLog: [],
    });
    await service.stop();
  },
);

scenario("a foreign ingress announces what it has in S3, by a presigned URL", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const guard = startGuard();
  owned.defer(() => guard.end());
  const folder = await folderOf(owned);
  guard.addFolder(folder);
  await mkdir(path.join(folder, "s3"));
  const s3 = await startS3(path.join(folder, "s3"), guard);
  const store = new S3Store({
    ...{ bucket: s3.bucket, region: s3.region, endpoint: s3.endpoint, pathStyle: true, credentials: s3 },
  });
  owned.defer(() => store.close());
  const { uploads, loaded, env } = await uploading(scene, owned);
  await loaded();
  const [, archive] = await sampleArchives(seeded(1));
  assert.ok(archive);
  const key = "gateway-7f9c/AbC123dEf0-000027"; // as that ingress makes them
  await store.put(
    key,
    (async function* () {
      yield archive.bytes;
    })(),
    { requestID: key, account: "", org: "42" },
  );
  const url = await store.url(key, 86_400, new Date());
  const old = await store.url(key, 60, new Date(Date.now() - 120_000));
  await uploads.announce([
    announcement({ url, requestId: key, cluster: archive.cluster }),
    announcement({ url: old, requestId: "expired", cluster: archive.cluster }),
    announcement({ url: url.replace("AbC123", "AbC124"), requestId: "forged", cluster: archive.cluster }),
  ]);
  const service = scene.start("analyze", { env });
  const [message] = await uploads.published(1);
  assert.ok(message);
  const { RequestId, ClusterName, Report } = resultOf(message);
  assert.deepEqual([RequestId, ClusterName], [key, archive.cluster]);
  assert.deepEqual(
    Report.reports.map((hit) => hit.key),
    ["OPERATOR_DEGRADED"],
  );
  const dead = await until("the others are refused", async () => {
    const rows = await scene.rows("select request_id, failure from dead_analysis order by request_id");
    return rows.length === 2 ? rows : undefined;
  });
  assert.deepEqual(dead, [
    { request_id: "expired", failure: "refused" },
    { request_id: "forged", failure: "refused" },
  ]);
  await service.stop();
});
