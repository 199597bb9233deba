import type { LevelWithSilent } from "pino";
import { pino } from "pino";
import { createLogger, type Logger } from "../log.ts";

/** Letters by which people know a level, in lines for people. */
const shortNames: Record<string, string> = {
  trace: "TRC",
  debug: "DBG",
  info: "INF",
  warn: "WRN",
  error: "ERR",
  fatal: "FTL",
};

/**
 * The logger of a command with the incumbent's name: its texts are under `message`, where its readers look
 * for them. `pretty`: lines for people instead of JSON.
 */
export function incumbentLogger(
  level: LevelWithSilent,
  { pretty = false, stderr = false }: { pretty?: boolean; stderr?: boolean } = {},
): Logger {
  const destination = pino.destination({ dest: stderr ? 2 : 1, sync: true });
  const write = pretty ? (line: string) => destination.write(forPeople(line)) : undefined;
  return createLogger(level, write ? { write } : destination, "message");
}

function forPeople(line: string): string {
  const { time, level, message, service: _, ...others } = JSON.parse(line);
  const fields = Object.entries(others).map(
    ([name, value]) => ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${time} ${shortNames[level] ?? level} ${message}${fields.join("")}\n`;
}
