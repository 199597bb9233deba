import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ConfigurationError } from "../../../src/errors.ts";
import type { Guard } from "../guard.ts";
import { endOfLog } from "../server.ts";
import { jvmOptions, serverProperties } from "./settings.ts";

/**
 * What a broker needs on this machine: a Java, and the folder with the jars and an empty formatted storage.
 */
export type KafkaInstallation = { java: string; folder: string };

const pom = path.join(import.meta.dirname, "pom.xml");
const orElse = "or set KAFKA_BROKERS to use a Kafka that runs already";

/**
 * Finds Java and the jars of Kafka; fetches the jars with Maven the first time (then some 45 MB are
 * downloaded).
 * @param workFolder an existing folder for what is only needed meanwhile
 * @throws ConfigurationError if Java 17+ is missing, or if Maven is missing or fails when it is needed
 */
export async function findKafka(
  workFolder: string,
  guard: Guard,
  log: (line: string) => void,
): Promise<KafkaInstallation> {
  const java = process.env.JAVA_HOME ? path.join(process.env.JAVA_HOME, "bin", "java") : "java";
  await requireJava(java);
  const hash = createHash("sha256")
    .update(await readFile(pom))
    .digest("hex")
    .slice(0, 12);
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "ccx-notifications");
  const folder = path.join(cache, `kafka-4.1.1-${hash}`);
  if (existsSync(folder)) return { java, folder };

  log("Fetching Kafka with Maven; this happens only once");
  await mkdir(cache, { recursive: true });
  // Filled aside and moved as a whole: what is there is complete, also when two processes do this at once.
  const temporary = await mkdtemp(path.join(cache, "new-"));
  guard.addFolder(temporary);
  try {
    await fetchJars(temporary, workFolder, guard);
    await formatStorage(java, temporary, workFolder, guard);
    await rename(temporary, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return { java, folder };
}

async function requireJava(java: string): Promise<void> {
  const { stderr } = await promisify(execFile)(java, ["-version"]).catch((cause) => {
    throw new ConfigurationError(
      `Kafka needs Java, and ${java} cannot be run: install Java 17+ and Maven, ${orElse}`,
      { cause },
    );
  });
  const version = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1];
  if (Number(version) < 17)
    throw new ConfigurationError(
      `Kafka needs Java 17 or newer, ${java} is ${version}: install Java 17+, ${orElse}`,
    );
}

async function fetchJars(target: string, workFolder: string, guard: Guard): Promise<void> {
  const logFile = path.join(workFolder, "maven.log");
  // By its full name: the short one would be looked up in the repository, whatever version the pom names.
  const goal = [
    "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies",
    "-DincludeScope=runtime",
    `-DoutputDirectory=${target}/jars`,
  ];
  const args = ["--batch-mode", "--quiet", `--file=${pom}`, ...goal];
  const maven = await guard
    .spawn("mvn", args, { logFile, cwd: workFolder, signal: "SIGKILL" })
    .catch((cause) => {
      throw new ConfigurationError(
        `Maven fetches Kafka, and mvn cannot be run: install Java 17+ and Maven, ${orElse}`,
        {
          cause,
        },
      );
    });
  if ((await maven.wait()) === 0) return;
  const output = await readFile(logFile, "utf8");
  const reason = /\[ERROR\] (.+?)(?: -> \[Help|$)/m.exec(output)?.[1] ?? endOfLog(logFile);
  throw new ConfigurationError(`Maven could not fetch Kafka; help it, ${orElse}. It says: ${reason}`);
}

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

/** The class path of an installation. */
export async function jarsOf(folder: string): Promise<string> {
  const jars = path.join(folder, "jars");
  return (await readdir(jars))
    .sort()
    .map((jar) => path.join(jars, jar))
    .join(path.delimiter);
}
