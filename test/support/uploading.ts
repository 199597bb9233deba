import { readRules } from "../../src/analyze/rule_files.ts";
import type { Scene } from "./scene.ts";
import { until } from "./until.ts";
import { openUploads, startArchiveServer } from "./uploads.ts";

const rulesFolder = new URL("../../rules", import.meta.url).pathname;

/** What analysis needs besides a scene: an object store, a topic of announcements, the rules of this project. */
export async function uploading(scene: Scene, owned: AsyncDisposableStack) {
  const server = owned.use(await startArchiveServer());
  const uploads = owned.use(await openUploads(scene.topics.brokers, scene.topics.results));
  const loaded = async () =>
    scene.rows("select rule from load_rules($1)", [JSON.stringify(await readRules(rulesFolder))]);
  const env = {
    CCX_ANNOUNCEMENTS_TOPIC: uploads.topic,
    CCX_ANALYZE_GROUP: uploads.group,
    CCX_PAYLOAD_STATUS_TOPIC: uploads.statuses,
  };
  const ended = (count: number) =>
    until(`${count} analyses have ended`, async () => {
      const open = await scene.rows("select state, failure, error from analysis where ended_at is not null");
      return open.length >= count ? open : undefined;
    });
  return { server, uploads, loaded, env, ended };
}

/** An archive with one hit, NETWORK_OPENSHIFT_SDN. */
export const oneFile = (cluster: string) => ({
  "config/id": cluster,
  "config/network.json": '{"status":{"networkType":"OpenShiftSDN"}}',
});
