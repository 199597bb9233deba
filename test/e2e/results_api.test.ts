import assert from "node:assert/strict";
import { createServer } from "node:net";
import { aCluster, aReport, issueOf } from "../support/reports.ts";
import { identityOf } from "../support/results_api.ts";
import { scenario } from "../support/scene.ts";
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
