import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const python = process.env.TEST_PYTHON ?? "python3";
const rules = new URL("../analyze/python", import.meta.url).pathname;

/** Why tests that need the public pipeline are skipped; false: it is here. */
export const noCcxMessaging: string | false = (() => {
  try {
    execFileSync(python, ["-c", "import ccx_messaging, confluent_kafka"], { stdio: "ignore" });
    return false;
  } catch {
    return "ccx-messaging is not installed: set TEST_PYTHON to a Python that has it";
  }
})();

/** The program before us, with the rules of `ccx_test_rules`: announcements in, results out. */
export async function startCcxMessaging(topics: {
  brokers: string;
  announcements: string;
  results: string;
  status: string;
  group: string;
}) {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-messaging-"));
  const brokers = { "bootstrap.servers": topics.brokers };
  const part = (name: string, kwargs: object = {}) => ({ name: `ccx_messaging.${name}`, kwargs });
  const config = {
    plugins: { packages: ["ccx_messaging", "ccx_test_rules.rules"] },
    service: {
      ...{ extract_timeout: 60, extract_tmp_dir: folder, target_components: ["ccx_test_rules"] },
      format: "insights.formats._json.JsonFormat",
      consumer: part("consumers.kafka_consumer.KafkaConsumer", {
        ...{ ...brokers, incoming_topic: topics.announcements, platform_service: "openshift" },
        ...{ "group.id": topics.group, "auto.offset.reset": "earliest" },
      }),
      // it takes URLs of Amazon only, unless it is allowed to take others
      downloader: part("downloaders.http_downloader.HTTPDownloader", { allow_unsafe_links: true }),
      engine: part("engines.ocp_engine.OCPEngine"),
      publisher: part("publishers.rule_processing_publisher.RuleProcessingPublisher", {
        ...{ ...brokers, outgoing_topic: topics.results },
      }),
      watchers: [
        part("watchers.payload_tracker_watcher.PayloadTrackerWatcher", { ...brokers, topic: topics.status }),
        part("watchers.cluster_id_watcher.ClusterIdWatcher"),
      ],
      logging: {
        version: 1,
        root: { level: "INFO", handlers: ["console"] },
        handlers: {
          console: { class: "logging.StreamHandler" },
        },
      },
    },
  };
  const file = path.join(folder, "config.yaml"); // JSON is YAML
  await writeFile(file, JSON.stringify(config));
  const child: ChildProcess = spawn(
    python,
    ["-c", "from ccx_messaging.command_line import ccx_messaging; ccx_messaging()", file],
    { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH, PYTHONPATH: rules } },
  );
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk) => {
    log += chunk;
  });
  return {
    /** What it logged so far. */
    get log() {
      return log;
    },
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, "close");
        child.kill("SIGKILL");
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
