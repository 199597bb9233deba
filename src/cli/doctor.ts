import type { Command } from "commander";
import type pg from "pg";
import { type Config, requireKeys } from "../config/config.ts";
import { noteOf, phaseOf } from "../db/adoption/phase.ts";
import { createPool } from "../db/pool.ts";
import { requireSameRelease } from "../db/release.ts";
import { requireServer } from "../db/server.ts";
import { messageOf } from "../errors.ts";
import type { BrokerProbe } from "../kafka/broker_probe.ts";
import { createLogger } from "../log.ts";
import { within } from "../metrics/health.ts";
import { aheadOf } from "../metrics/positions.ts";
import * as sql from "../metrics/sql.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

const statementTimeoutMs = 60_000;
const brokerWithinMs = 10_000;
/** Clocks that differ by more make reports look early, leases short, and logs hard to read. */
const mostSkewMs = 2_000;

/**
 * `ccx doctor`: what a person would check by hand. Exit code 0: all is well, 1: warnings, 2: an error, so
 * that the service cannot do its work.
 */
export function addDoctorCommand(program: Command, context: Context): void {
  program
    .command("doctor")
    .description("check servers, topics, content and what waits; exit code 1: warnings, 2: errors")
    .option("--json", "one JSON array")
    .option("--no-drift", "leave out the check that reads every cluster's newest report")
    .action(async ({ json, drift }: { json?: true; drift: boolean }) => {
      const { config } = context.config();
      requireKeys(config, ["databaseUrl", "kafkaBrokers"]);
      const findings = (await Promise.all([ofDatabase(config, drift), ofBrokers(config)])).flat();
      findings.sort((a, b) => a.severity.localeCompare(b.severity));
      printRows(findings, { json, empty: "All is well." });
      process.exitCode = exitCode(findings);
    });
}

export const exitCode = (findings: readonly sql.Finding[]): 0 | 1 | 2 => {
  if (findings.some(({ severity }) => severity === "error")) return 2;
  return findings.length > 0 ? 1 : 0;
};

const error = (topic: string, finding: string, meaning: string, what_to_do: string): sql.Finding => ({
  severity: "error",
  topic,
  finding,
  meaning,
  what_to_do,
});

const warning = (...args: Parameters<typeof error>): sql.Finding => ({
  ...error(...args),
  severity: "warning",
});

async function ofDatabase(
  config: Config & { databaseUrl: string; readonly kafkaBrokers: readonly string[] },
  withDrift: boolean,
): Promise<sql.Finding[]> {
  const pool = createPool({
    databaseUrl: config.databaseUrl,
    size: 2,
    name: "ccx doctor",
    log: createLogger("silent"),
    statementTimeoutMs,
  });
  try {
    const began = Date.now();
    const [clock] = await sql.databaseClock(pool);
    const skew = skewOf(clock?.at ?? "", began, Date.now());
    await requireServer(pool, { writes: true });
    const unfinished = await unfinishedAdoption(pool);
    if (unfinished.length > 0) return [...skew, ...unfinished];
    await requireSameRelease(pool);
    const found = await sql.doctor(pool);
    const more = [
      ...(await lostSession(pool)),
      ...(await ofPositions(pool, config)),
      ...(await ofUploadTopics(pool, config)),
    ];
    return [...skew, ...found, ...more, ...(withDrift ? await drifted(pool) : [])];
  } catch (trouble) {
    return [
      error(
        "database",
        messageOf(trouble),
        "the service does not start, or does nothing",
        "do what the message says; DATABASE_URL names the server",
      ),
    ];
  } finally {
    await pool.end();
  }
}

/** An adoption that has not ended; before its end the database has no functions of ours, or not all rows. */
async function unfinishedAdoption(pool: pg.Pool): Promise<sql.Finding[]> {
  const phase = await phaseOf(pool);
  if (phase !== "begun" && phase !== "swapped" && phase !== "leaving") return [];
  const { began_at, began_by } = await noteOf(pool);
  const isLeaving = phase === "leaving";
  return [
    error(
      "adoption",
      isLeaving
        ? "ccx adopt --undo was begun and has not ended"
        : `ccx adopt was begun at ${began_at} by ${began_by} and has not ended`,
      "ours does not start, or decides nothing, until it ends",
      isLeaving
        ? "if it does not run any more, run it again: ccx adopt --undo"
        : "if it does not run any more, run it again: ccx adopt; or go back: ccx adopt --undo",
    ),
  ];
}

/** By how much the database's clock is off, at least: it was read between these two times of ours. */
export function skewOf(at: string, before: number, after: number): sql.Finding[] {
  const theirs = Date.parse(at);
  const off = theirs < before ? theirs - before : Math.max(theirs - after, 0);
  if (Math.abs(off) < mostSkewMs) return [];
  return [
    warning(
      "clock",
      `the clock of the database is ${Math.abs(off / 1_000).toFixed(1)} s ${off < 0 ? "behind" : "ahead"}`,
      "reports of this hour may count as future, and times in logs and tables do not agree",
      "have both machines follow a time server (chronyc tracking)",
    ),
  ];
}

/**
 * A pooler that gives each transaction another session loses LISTEN, prepared statements and settings. It is
 * recognized while somebody else has the session that we had.
 */
async function lostSession(pool: pg.Pool): Promise<sql.Finding[]> {
  const [ours, others] = [await pool.connect(), await pool.connect()];
  try {
    const before = await sql.sessionOf(ours);
    await sql.sessionOf(others);
    if ((await sql.sessionOf(ours)) === before) return [];
  } finally {
    ours.release();
    others.release();
  }
  return [
    error(
      "pooler",
      "the session changes between statements: a pooler is in between",
      "nothing can be listened to, and prepared statements fail",
      "set pool_mode = session in PgBouncer, or name the server itself in DATABASE_URL",
    ),
  ];
}

async function drifted(pool: pg.Pool): Promise<sql.Finding[]> {
  try {
    const [first] = await sql.drift(pool);
    if (!first) return [];
    return [
      error(
        "drift",
        `${first.what} of cluster ${first.cluster}: ${first.detail}`,
        "what decisions are taken on differs from the stored reports or the ledger",
        "select * from drift; report it, it is a fault of this program or somebody wrote to its tables",
      ),
    ];
  } catch (trouble) {
    return [
      warning(
        "drift",
        `drift could not be looked for: ${messageOf(trouble)}`,
        "it reads every newest report, which takes too long now",
        "ask at a quiet time: select * from drift; or leave it out: ccx doctor --no-drift",
      ),
    ];
  }
}

/** Whoever asks anything else does not wait for the Kafka client to be loaded. */
async function probeOf(config: Config & { readonly kafkaBrokers: readonly string[] }): Promise<BrokerProbe> {
  const { BrokerProbe } = await import("../kafka/broker_probe.ts");
  return new BrokerProbe(config);
}

async function ofBrokers(
  config: Config & { readonly kafkaBrokers: readonly string[] },
): Promise<sql.Finding[]> {
  const broker = await probeOf(config);
  try {
    await within(brokerWithinMs, () => broker.brokers());
    const read = [config.resultsTopic, config.workloadsTopic];
    const topics = [...read, config.notificationsTopic, config.deadLetterTopic];
    const found = topics
      .filter((topic) => topic !== undefined)
      .map((topic) => ofTopic(broker, topic, read.includes(topic)));
    return (await Promise.all(found)).flat();
  } catch (trouble) {
    return [
      error(
        "kafka",
        `no broker answers: ${messageOf(trouble)}`,
        "nothing arrives, and notifications for the backend wait",
        "look at KAFKA_BROKERS and the keys CCX_KAFKA_…, and whether this machine reaches the brokers",
      ),
    ];
  } finally {
    await broker.close();
  }
}

/**
 * Whether the topics are those of which the database has messages; brokers that do not answer say so
 * themselves.
 */
async function ofPositions(
  pool: pg.Pool,
  config: Config & { readonly kafkaBrokers: readonly string[] },
): Promise<sql.Finding[]> {
  const broker = await probeOf(config);
  const ofOne = async (topic: string) => {
    const ends = await within(brokerWithinMs, () => broker.ends(topic)).catch(() => []);
    return aheadOf(topic, ends, await sql.consumed(pool, topic));
  };
  try {
    const { resultsTopic, workloadsTopic, announcementsTopic } = config;
    const read = [resultsTopic, workloadsTopic, announcementsTopic].filter((topic) => topic !== undefined);
    return (await Promise.all(read.map(ofOne))).flat();
  } finally {
    await broker.close();
  }
}

/** Topics of uploads, where there are any; brokers that do not answer say so themselves. */
async function ofUploadTopics(
  pool: pg.Pool,
  config: Config & { readonly kafkaBrokers: readonly string[] },
): Promise<sql.Finding[]> {
  const { announcementsTopic, payloadStatusTopic } = config;
  const consumed = await sql.consumed(pool, announcementsTopic);
  if (consumed.length === 0 && !(await sql.hasUploads(pool))) return [];
  const broker = await probeOf(config);
  try {
    const answers = await within(brokerWithinMs, () => broker.brokers()).then(
      () => true,
      () => false,
    );
    if (!answers) return [];
    return [
      ...(await ofTopic(broker, announcementsTopic, consumed.length > 0)),
      ...(await ofTopic(broker, payloadStatusTopic, false)),
    ];
  } finally {
    await broker.close();
  }
}

/** Retention of a topic that we read has to outlast a weekend without us. */
const leastRetentionMs = 3 * 24 * 3_600_000;

async function ofTopic(broker: BrokerProbe, topic: string, isRead: boolean): Promise<sql.Finding[]> {
  try {
    const about = await within(brokerWithinMs, () => broker.topic(topic));
    if (!about)
      return [
        error(
          "kafka",
          `topic ${topic} does not exist`,
          isRead ? "nothing arrives" : "what is to be written there waits",
          `create it, or set the key that names it: ccx config`,
        ),
      ];
    const { retentionMs } = about;
    if (!isRead || retentionMs === undefined || retentionMs < 0 || retentionMs >= leastRetentionMs) return [];
    return [
      warning(
        "kafka",
        `topic ${topic} keeps messages for ${(retentionMs / 3_600_000).toFixed(1)} hours`,
        "what is not consumed within that time is lost",
        `set retention.ms of the topic to ${leastRetentionMs} or more`,
      ),
    ];
  } catch (trouble) {
    return [
      warning(
        "kafka",
        `topic ${topic} cannot be looked at: ${messageOf(trouble)}`,
        "the user of this program may not describe it",
        "allow Describe and DescribeConfigs on it",
      ),
    ];
  }
}
