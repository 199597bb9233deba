import assert from "node:assert/strict";
import { createServer } from "node:net";
import { aCluster, aReport, type Hit, issueOf } from "../support/reports.ts";
import { identityOf } from "../support/results_api.ts";
import { scenario } from "../support/scene.ts";
import { noteStatements } from "../support/statements.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

const org = 11_789_772;
const bug = "ccx_rules_ocp.external.bug_rules.bug_1766907";
const key = "BUGZILLA_BUG_1766907";

/** A port that nobody listens on. */
async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(typeof address === "object" && address ? address.port : "");
}

scenario(
  "what arrives on Kafka is in the API; what is disabled there is not notified, until it is enabled again",
  {},
  async (scene) => {
    const url = new URL(scene.databaseUrl);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    const port = await freePort();
    const env = { CCX_HTTP_PORT: port, DATABASE_URL: url.href };
    const ask = async (method: string, path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/api${path}`, {
        method,
        headers: { "x-rh-identity": identityOf(org) },
      }).catch(() => undefined);
      return {
        status: response?.status,
        retry: response?.headers.get("retry-after"),
        text: await response?.text(),
      };
    };
    const cluster = aCluster();
    const report = `/v2/cluster/${cluster}/reports`;
    const rule = `/v1/clusters/${cluster}/rules/${bug}.report/error_key/${key}`;

    const server = scene.start("run", { env });
    await server.says("running");
    assert.equal((await ask("GET", report)).status, 404);
    await scene.topics.produce([aReport(cluster, [])]);
    await until("the cluster is known", async () => (await ask("GET", report)).status === 200);
    assert.equal((await ask("PUT", `${rule}/disable`)).status, 200);
    await scene.topics.produce([aReport(cluster, ["bug"])]);
    await until("its hit is shown to who asks for disabled ones", async () =>
      (await ask("GET", `${report}?get_disabled=true`)).text?.includes(key),
    );
    await scene.quiet();
    assert.equal(await scene.value("select count(*)::integer from notification"), 0);
    assert.deepEqual(
      await scene.value("select reasons from explain_notification where target = 'notifications backend'"),
      ["disabled"],
    );

    await proxy.refuse();
    const away = await until("the database is away", async () => {
      const answer = await ask("GET", report);
      return answer.status === 503 ? answer : undefined;
    });
    assert.ok(away);
    assert.equal(away.retry, "5");
    assert.equal(away.text, '{"status":"The database is unreachable"}');
    await proxy.heal();
    await until("it answers again", async () => (await ask("GET", report)).status === 200);

    assert.equal((await ask("PUT", `${rule}/enable`)).status, 200);
    const [notified] = await scene.topics.received.take(1);
    assert.deepEqual(notified?.issues, [issueOf("bug")]);
    await server.stop();
  },
);

scenario(
  "a result is in the API by the first request after its offset is stored, in one snapshot",
  {},
  async (scene) => {
    await using consuming = await noteStatements(scene.databaseUrl);
    await using answering = await noteStatements(scene.databaseUrl);
    const port = await freePort();
    const consumer = scene.start("consume", { env: { DATABASE_URL: consuming.url, CCX_HTTP_PORT: "0" } });
    const server = scene.start("serve", { env: { DATABASE_URL: answering.url, CCX_HTTP_PORT: port } });
    await Promise.all([consumer.says("running"), server.says("running")]);
    const clusters = [aCluster(), aCluster(), aCluster()];
    const asked: number[] = [];
    for (const [nth, cluster] of clusters.entries()) {
      const hits = (["bug", "proxy", "volume"] as const).slice(0, nth + 1);
      await scene.topics.produce([aReport(cluster, [...hits])]);
      await scene.consumed(nth + 1);
      const before = answering.texts.length + answering.values.length;
      const response = await fetch(`http://127.0.0.1:${port}/api/v2/cluster/${cluster}/reports`, {
        headers: { "x-rh-identity": identityOf(org) },
      });
      const { report } = (await response.json()) as { report: { meta: { count: number }; data: unknown[] } };
      assert.deepEqual([report.meta.count, report.data.length], [nth + 1, nth + 1]);
      asked.push(answering.texts.length + answering.values.length - before);
    }
    const stored = consuming.values.filter((bound) => clusters.some((cluster) => bound.includes(cluster)));
    assert.equal(stored.length, clusters.length, "each message goes to the database once");
    assert.equal(asked[2], asked[1], "an answer with more hits asks no more of the database");
    const [, sent] = asked;
    assert.ok(sent !== undefined && sent <= 4, `one answer took ${sent} statements`);
    await Promise.all([consumer.stop(), server.stop()]);
  },
);

scenario("an old message after a new one changes nothing anywhere", {}, async (scene) => {
  const port = await freePort();
  const service = scene.start("run", { env: { CCX_HTTP_PORT: port } });
  await service.says("running");
  const cluster = aCluster();
  const hourAgo = Date.now() - 3_600_000;
  const at = (minutes: number) => new Date(hourAgo + minutes * 60_000).toISOString();
  const info = (version: string) => [
    {
      ...{ info_id: "version_info|CLUSTER_VERSION_INFO", component: "x.version_info.report", type: "info" },
      ...{ key: "CLUSTER_VERSION_INFO", details: { version, type: "info" } },
    },
  ];
  const sent = (hits: Hit[], minutes: number, version: string, changes = {}) => {
    const { Report, ...rest } = JSON.parse(aReport(cluster, hits, { LastChecked: at(minutes), ...changes }));
    return JSON.stringify({ ...rest, Report: { ...Report, info: info(version) } });
  };
  const paths = [
    ...[`/v2/cluster/${cluster}/reports?get_disabled=true`, `/v1/clusters/${cluster}/report`, "/v2/clusters"],
    ...[`/v1/clusters/${cluster}/report/info`, "/v2/rule?impacting=true", "/v1/org_overview"],
    ...[`/v2/rule/${bug}%7C${key}/clusters_detail`, `/v1/organizations/${org}/clusters`],
  ];
  const seen = async () => ({
    answers: await Promise.all(
      paths.map(async (path) => {
        const response = await fetch(`http://127.0.0.1:${port}/api${path}`, {
          headers: { "x-rh-identity": identityOf(org) },
        });
        return [path, response.status, await response.text()];
      }),
    ),
    stored: await Promise.all(
      ["latest_report", "issue", "notified_issue", "notification", "reported", "explain_notification"].map(
        async (name) => [name, await scene.rows(`select t::text from ${name} t order by 1`)],
      ),
    ),
  });

  await scene.topics.produce([sent(["bug", "proxy"], 30, "4.17.3")]);
  await scene.consumed(1);
  const [notified] = await scene.topics.received.take(1);
  assert.deepEqual(notified?.issues.toSorted(), [issueOf("bug"), issueOf("proxy")].toSorted());
  await scene.quiet();
  const before = await seen();
  assert.ok(
    before.answers.every(([, status]) => status === 200),
    JSON.stringify(before.answers),
  );
  assert.ok(JSON.stringify(before.answers).includes("4.17.3"));
  assert.equal(await scene.value("select count(*)::integer from notified_issue"), 2);

  await scene.topics.produce([sent(["volume"], 20, "4.16.0"), sent([], 10, "4.15.0")]);
  await scene.consumed(3);
  await scene.quiet();
  assert.deepEqual(await seen(), before);

  // what another organization had before is its past, of which nothing is open
  await scene.topics.produce([sent(["volume"], 29, "4.18.0", { OrgID: 12 })]);
  await scene.consumed(4);
  await scene.quiet();
  const after = await seen();
  assert.deepEqual(after.answers, before.answers);
  const ledger = ({ stored }: typeof before) =>
    stored.filter(([name]) => name !== "issue" && name !== "latest_report");
  assert.deepEqual(ledger(after), ledger(before));
  const open = "select count(*)::integer from issue where org_id = 12 and closed_at is null";
  assert.equal(await scene.value(open), 0);
  const theirs = await fetch(`http://127.0.0.1:${port}/api/v2/cluster/${cluster}/reports`, {
    headers: { "x-rh-identity": identityOf(12) },
  });
  assert.equal(theirs.status, 404);
  assert.equal(await scene.value("select count(*)::integer from rejected_message"), 0);
  assert.deepEqual(await scene.rows("select * from drift"), []);

  await scene.topics.produce([sent(["volume"], 40, "4.18.0")]);
  await until("what is newer counts", async () => JSON.stringify(await seen()).includes("4.18.0"));
  await scene.topics.received.take(1);
  await service.stop();
});
