import assert from "node:assert/strict";
import { sampleArchives } from "../../dev/samples/archives.ts";
import { seeded } from "../../dev/samples/random.ts";
import { findPorts } from "../../dev/stack/server.ts";
import { noCcxMessaging, startCcxMessaging } from "../support/ccx_messaging.ts";
import { scenario } from "../support/scene.ts";
import { followTopics, testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";
import { archivePart, form, formType, send } from "../support/upload.ts";
import { identityOf } from "../support/uploads.ts";

const metadata = { name: "metadata", body: '{"custom_metadata":{"gathering_time":"2026-11-27T07:31:46Z"}}' };

scenario(
  "the public pipeline takes our announcements and URLs, and we store what it publishes",
  { skip: noCcxMessaging },
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const announcements = scene.topics.results.replace("ccx.ocp.results", "platform.upload.announce");
    const status = scene.topics.results.replace("ccx.ocp.results", "platform.payload-status");
    const topics = owned.use(await followTopics(testKafka(), [announcements, status]));
    const [port] = await findPorts(1);
    // no rules of ours are loaded, so that our own pipeline leaves the uploads alone
    const service = scene.start("run", {
      env: {
        ...{ CCX_ANNOUNCEMENTS_TOPIC: announcements, CCX_PAYLOAD_STATUS_TOPIC: status },
        CCX_HTTP_PORT: String(port),
      },
    });
    const theirs = owned.use(
      await startCcxMessaging({
        ...{ brokers: scene.topics.brokers, announcements, status, results: scene.topics.results },
        group: `ccx-messaging.${scene.topics.group}`,
      }),
    );
    await service.says("running");
    const upload = async (bytes: Buffer, org: number, cluster?: string) => {
      const answer = await send(`http://127.0.0.1:${port}/api/ingress/v1/upload`, {
        headers: { "content-type": formType, "x-rh-identity": identityOf(org, cluster) },
        body: form([archivePart(bytes), metadata]),
      });
      assert.equal(answer.status, 202);
      return String(JSON.parse(answer.body).request_id);
    };
    const archives = await sampleArchives(seeded(1));
    const [degraded, network, restarting, cut] = [1, 2, 3, 6].map((nth) => archives[nth]);
    assert.ok(degraded && network && restarting && cut);
    const good = [
      await upload(degraded.bytes, 42, degraded.cluster),
      await upload(network.bytes, 43), // config/id names the cluster
      await upload(restarting.bytes, 44, restarting.cluster),
    ];
    const bad = await upload(cut.bytes, 45, cut.cluster);
    await until("its results are stored", async () => {
      assert.ok(!theirs.hasEnded, theirs.log);
      return (await scene.value("select count(*)::integer from new_reports")) === 3;
    });
    assert.equal(await scene.value("select count(*)::integer from rejected_message"), 0);
    assert.deepEqual(
      await scene.rows(
        `select n.org_id, n.cluster, n.updated_at = a.received_at as is_its_time
         from new_reports n join archive a on a.org_id = n.org_id order by n.org_id`,
      ),
      [degraded, network, restarting].map(({ cluster }, nth) => ({
        ...{ org_id: String(42 + nth), cluster, is_its_time: true },
      })),
    );
    assert.deepEqual(
      await scene.rows(
        "select i.cluster, r.component, r.error_key from issue i join rule r on r.id = i.rule_id order by i.org_id",
      ),
      [
        [degraded.cluster, "operator_degraded", "OPERATOR_DEGRADED"],
        [network.cluster, "network_openshift_sdn", "NETWORK_OPENSHIFT_SDN"],
        [restarting.cluster, "container_restarts", "CONTAINER_RESTARTS"],
      ].map(([cluster, name, error_key]) => ({
        ...{ cluster, component: `ccx_test_rules.rules.${name}`, error_key },
      })),
    );
    const said = await until("it has said what became of each", async () => {
      const all = (await topics.read(status)).map(({ value }) => JSON.parse(String(value)));
      const last = all.filter(
        ({ service, status }) => service === "ccx-data-pipeline" && /success|error/.test(status),
      );
      return last.length === 4 ? last : undefined;
    });
    assert.deepEqual(
      new Map(said?.map(({ request_id, status }) => [request_id, status])),
      new Map([...good.map((id) => [id, "success"] as const), [bad, "error"]]),
    );
    await service.stop();
  },
);
