import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ConfigurationError } from "../../src/errors.ts";
import type { Guard } from "./guard.ts";
import { endOfLog } from "./server.ts";

/** A program whose jars Maven finds. */
export type JavaProgram = {
  /** for messages */
  name: string;
  /** of its folder */
  folder: string;
  /** names its jars; a change makes them be fetched again */
  pom: string;
  /** completes the sentence that says what to install */
  orElse: string;
};

/** What a program needs on this machine: a Java, and the folder with its jars. */
export type Installation = { java: string; folder: string };

/**
 * Finds Java and the jars of a program; fetches the jars with Maven the first time.
 * @param workFolder an existing folder for what is only needed meanwhile
 * @param prepare adds to the folder what else belongs there
 * @throws ConfigurationError if Java 17+ is missing, or if Maven is missing or fails when it is needed
 */
export async function findJars(
  program: JavaProgram,
  workFolder: string,
  guard: Guard,
  log: (line: string) => void,
  prepare?: (installation: Installation) => Promise<void>,
): Promise<Installation> {
  const java = process.env.JAVA_HOME ? path.join(process.env.JAVA_HOME, "bin", "java") : "java";
  await requireJava(java, program);
  const hash = createHash("sha256")
    .update(await readFile(program.pom))
    .digest("hex")
    .slice(0, 12);
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "ccx-notifications");
  const folder = path.join(cache, `${program.folder}-${hash}`);
  if (existsSync(folder)) return { java, folder };

  log(`Fetching ${program.name} with Maven; this happens only once`);
  await mkdir(cache, { recursive: true });
  // Filled aside and moved as a whole: what is there is complete, also when two processes do this at once.
  const temporary = await mkdtemp(path.join(cache, "new-"));
  guard.addFolder(temporary);
  try {
    await fetchJars(program, temporary, workFolder, guard);
    await prepare?.({ java, folder: temporary });
    await rename(temporary, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return { java, folder };
}

async function requireJava(java: string, { name, orElse }: JavaProgram): Promise<void> {
  const { stderr } = await promisify(execFile)(java, ["-version"]).catch((cause) => {
    throw new ConfigurationError(
      `${name} needs Java, and ${java} cannot be run: install Java 17+ and Maven, ${orElse}`,
      { cause },
    );
  });
  const version = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1];
  if (Number(version) < 17)
    throw new ConfigurationError(
      `${name} needs Java 17 or newer, ${java} is ${version}: install Java 17+, ${orElse}`,
    );
}

async function fetchJars(
  { name, pom, orElse }: JavaProgram,
  target: string,
  workFolder: string,
  guard: Guard,
): Promise<void> {
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
        `Maven fetches ${name}, and mvn cannot be run: install Java 17+ and Maven, ${orElse}`,
        { cause },
      );
    });
  if ((await maven.wait()) === 0) return;
  const output = await readFile(logFile, "utf8");
  const reason = /\[ERROR\] (.+?)(?: -> \[Help|$)/m.exec(output)?.[1] ?? endOfLog(logFile);
  throw new ConfigurationError(`Maven could not fetch ${name}; help it, ${orElse}. It says: ${reason}`);
}

/** The class path of an installation. */
export async function jarsOf(folder: string): Promise<string> {
  const jars = path.join(folder, "jars");
  return (await readdir(jars))
    .sort()
    .map((jar) => path.join(jars, jar))
    .join(path.delimiter);
}
