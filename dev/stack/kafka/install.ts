import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Guard } from "../guard.ts";
import { findJars, type Installation, jarsOf } from "../jars.ts";
import { endOfLog } from "../server.ts";
import { jvmOptions, serverProperties } from "./settings.ts";

/**
 * What a broker needs on this machine: a Java, and the folder with the jars and an empty formatted storage.
 */
export type KafkaInstallation = Installation;

const kafka = {
  name: "Kafka",
  folder: "kafka-4.1.1",
  pom: path.join(import.meta.dirname, "pom.xml"),
  orElse: "or set KAFKA_BROKERS to use a Kafka that runs already",
};

/**
 * Finds Java and the jars of Kafka; fetches the jars with Maven the first time (then some 45 MB are
 * downloaded).
 * @param workFolder an existing folder for what is only needed meanwhile
 * @throws ConfigurationError if Java 17+ is missing, or if Maven is missing or fails when it is needed
 */
export const findKafka = (
  workFolder: string,
  guard: Guard,
  log: (line: string) => void,
): Promise<KafkaInstallation> =>
  findJars(kafka, workFolder, guard, log, ({ java, folder }) =>
    formatStorage(java, folder, workFolder, guard),
  );

/** Storage is formatted once and copied for each broker: that saves starting a second JVM each time. */
async function formatStorage(java: string, target: string, workFolder: string, guard: Guard): Promise<void> {
  const logFile = path.join(workFolder, "format.log");
  const configuration = path.join(workFolder, "format.properties");
  await writeFile(configuration, serverProperties(path.join(target, "formatted"), [9092, 9093]));
  const command = ["format", "--cluster-id", "ccx-notifications-dev1", "--config", configuration];
  const format = await guard.spawn(
    java,
    [...jvmOptions(workFolder), "-cp", await jarsOf(target), "kafka.tools.StorageTool", ...command],
    { logFile, cwd: workFolder, signal: "SIGKILL" },
  );
  const result = await format.wait();
  if (result !== 0)
    throw new Error(`Kafka: format ended with ${result}. The end of its log:\n${endOfLog(logFile)}`);
}
