import { cp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Kafka, logLevel } from "kafkajs";
import type { Guard } from "../guard.ts";
import { jarsOf } from "../jars.ts";
import { restartable, type Server, startServer } from "../server.ts";
import type { KafkaInstallation } from "./install.ts";
import { jvmOptions, type Listener, serverProperties } from "./settings.ts";

export type RunningKafka = Server & { readonly brokers: string };

/**
 * Starts a Kafka 4.1 broker, which is its own controller, on loopback, with one listener without
 * authentication. Topics have to be created; messages up to 20 MiB are accepted; nothing expires.
 * @param directory an empty folder for its data and its log; it stays behind when the broker stops
 * @param advertise receives the port that it listens on, says at which one clients find it (a proxy's); the
 * same by default
 * @param listeners more of them, for clients that have to prove who they are
 * @throws Error with the end of its log if it does not start
 */
export async function startKafka(
  directory: string,
  { java, folder }: KafkaInstallation,
  guard: Guard,
  advertise: (port: number) => number = (port) => port,
  listeners: readonly Listener[] = [],
): Promise<RunningKafka> {
  const logFile = path.join(directory, "kafka.log");
  const data = path.join(directory, "data");
  const configuration = path.join(directory, "server.properties");
  const classPath = await jarsOf(folder);
  const serve = () =>
    guard.spawn(java, [...jvmOptions(directory), "-cp", classPath, "kafka.Kafka", configuration], {
      logFile,
      cwd: directory,
      signal: "SIGKILL", // its data is thrown away: nothing to save
    });
  const answers = async (port: number) => {
    const brokers = `127.0.0.1:${port}`;
    const admin = new Kafka({
      brokers: [brokers],
      logLevel: logLevel.NOTHING,
      connectionTimeout: 2_000,
      requestTimeout: 5_000,
      retry: { retries: 0 },
    }).admin();
    try {
      await admin.connect();
      // It answers before it has joined itself: until then the cluster is empty.
      if ((await admin.describeCluster()).brokers.length === 0)
        throw new Error("the broker is not registered yet");
    } finally {
      await admin.disconnect();
    }
    return brokers;
  };
  const { process: broker, answer: brokers } = await startServer(
    "Kafka",
    logFile,
    async (ports) => {
      await rm(data, { recursive: true, force: true });
      await cp(path.join(folder, "formatted"), data, { recursive: true });
      await writeFile(configuration, serverProperties(data, ports, advertise(ports[0]), listeners));
      return serve();
    },
    async ([port]) => answers(advertise(port)),
  );
  const again = () => answers(Number(brokers.split(":")[1]));
  return Object.assign(restartable("Kafka", logFile, broker, serve, again), { brokers });
}
