import kafkajs, { type LogEntry, type logCreator } from "kafkajs";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";

const { logLevel } = kafkajs;

type Level = "debug" | "info" | "warn" | "error";

/** Positions and counts only: what kafkajs adds at debug level may hold messages and passwords. */
const shownFields = [
  "broker",
  "topic",
  "partition",
  "groupId",
  "memberId",
  "retryCount",
  "retryTime",
] as const;

/** The least that kafkajs has to hand over so that our logger gets all it would write. */
export function kafkaLogLevel(logger: Logger): kafkajs.logLevel {
  if (logger.isLevelEnabled("debug")) return logLevel.DEBUG;
  if (logger.isLevelEnabled("info")) return logLevel.INFO;
  return logger.isLevelEnabled("error") ? logLevel.WARN : logLevel.NOTHING;
}

/** Writes kafkajs' log lines through `logger`, one level lower where kafkajs goes on by itself. */
export function kafkaLogCreator(logger: Logger): logCreator {
  return () => (entry) => {
    const { log, namespace } = entry;
    const fields: Record<string, unknown> = { kafka: namespace };
    for (const name of shownFields) if (log[name] !== undefined) fields[name] = log[name];
    if (log.error !== undefined) fields.error = messageOf(log.error);
    logger[levelOf(entry)](fields, messageOf(log.message));
  };
}

/** These report what kafkajs is about to try again; what it gives up reaches us as an error. */
const retrying = new Set(["Connection", "BrokerPool", "Cluster", "Producer", "RequestQueue", "Admin"]);

function levelOf({ level, namespace, log }: LogEntry): Level {
  const message = String(log.message);
  if (level === logLevel.ERROR) {
    // An answer such as "the group is rebalancing": routine for a consumer.
    if (namespace === "Connection" && message.startsWith("Response ")) return "debug";
    // Connection has just said the same, with the broker's name.
    if (namespace === "BrokerPool" && message.startsWith("Failed to connect to seed broker")) return "debug";
    if (retrying.has(namespace) || message.includes("re-joining")) return "warn";
    return "error";
  }
  if (level === logLevel.WARN) {
    if (message.includes("re-joining")) return "info";
    // Said of every idempotent producer with limited retries; see producer.ts.
    return message.startsWith("Limiting retries for the idempotent producer") ? "debug" : "warn";
  }
  return level === logLevel.INFO ? "info" : "debug";
}
