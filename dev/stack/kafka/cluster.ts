import { randomBytes } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, logLevel } from "kafkajs";
import type { Guard } from "../guard.ts";
import { jarsOf } from "../jars.ts";
import { endOfLog, findPorts, restartable, type Server } from "../server.ts";
import type { KafkaInstallation } from "./install.ts";
import { jvmOptions, serverProperties } from "./settings.ts";

/** Brokers that replicate each other's partitions, each of which can be taken away. */
export type KafkaCluster = {
  /** the addresses of all, comma-separated */
  readonly brokers: string;
  /** Broker 1 is the first. */
  readonly servers: readonly Server[];
  stop(): Promise<void>;
};

/**
 * Starts three Kafka brokers in KRaft, each of which is a controller, too. Every topic has three replicas, of
 * which two must have what is acknowledged to whoever asks for all.
 * @param directory an empty folder for their data and logs; it stays behind when they stop
 * @throws Error with the end of a log if they do not find each other
 */
export async function startKafkaCluster(
  directory: string,
  { java, folder }: KafkaInstallation,
  guard: Guard,
): Promise<KafkaCluster> {
  const count = 3;
  const ports = await findPorts(2 * count);
  const nodes = Array.from({ length: count }, (_, nth) => {
    const [broker = 0, controller = 0] = ports.slice(2 * nth, 2 * nth + 2);
    return { id: nth + 1, broker, controller, home: path.join(directory, `broker-${nth + 1}`) };
  });
  const brokers = nodes.map(({ broker }) => `127.0.0.1:${broker}`).join(",");
  const replicated = {
    "controller.quorum.voters": nodes.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(","),
    "default.replication.factor": count,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": count,
    "transaction.state.log.replication.factor": count,
    "transaction.state.log.min.isr": 2,
    // found out soon that a broker is gone
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
  };
  const classPath = await jarsOf(folder);
  const servers = await Promise.all(
    nodes.map(async ({ id, broker, controller, home }) => {
      const data = path.join(home, "data");
      const configuration = path.join(home, "server.properties");
      const logFile = path.join(home, "kafka.log");
      await mkdir(home);
      await cp(path.join(folder, "formatted"), data, { recursive: true });
      const meta = path.join(data, "meta.properties");
      const storage = (await readFile(meta, "utf8"))
        .replace(/^node\.id=.*$/m, `node.id=${id}`)
        .replace(/^directory\.id=.*$/m, `directory.id=${randomBytes(16).toString("base64url")}`);
      await writeFile(meta, storage);
      const own = { "node.id": id, ...replicated };
      await writeFile(configuration, serverProperties(data, [broker, controller], broker, [], own));
      const serve = () =>
        guard.spawn(java, [...jvmOptions(home), "-cp", classPath, "kafka.Kafka", configuration], {
          logFile,
          cwd: home,
          signal: "SIGKILL", // its data is thrown away: nothing to save
        });
      const joined = async () => {
        const ids = await brokersSeenBy(`127.0.0.1:${broker}`);
        return ids.includes(id);
      };
      return { logFile, joined, server: restartable(`Kafka ${id}`, logFile, await serve(), serve, joined) };
    }),
  );
  const stop = async () => void (await Promise.all(servers.map(({ server }) => server.stop())));
  for (const { logFile, joined } of servers)
    for (const limit = Date.now() + 120_000; !(await joined().catch(() => false)); await sleep(100)) {
      if (Date.now() < limit) continue;
      await stop();
      throw new Error(`Kafka's brokers do not find each other. The end of a log:\n${endOfLog(logFile)}`);
    }
  return { brokers, servers: servers.map(({ server }) => server), stop };
}

/** The ids of the brokers that this one knows to be there. */
async function brokersSeenBy(broker: string): Promise<number[]> {
  const admin = new Kafka({
    brokers: [broker],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    retry: { retries: 0 },
  }).admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId);
  } finally {
    await admin.disconnect();
  }
}
