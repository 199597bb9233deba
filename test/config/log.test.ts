import assert from "node:assert/strict";
import { it } from "node:test";
import { createLogger } from "../../src/log.ts";

function record(level: "info" | "silent") {
  const lines: string[] = [];
  return { lines, logger: createLogger(level, { write: (line) => void lines.push(line) }) };
}

it("a log line is JSON with a time in UTC, a level as a word, and the service", () => {
  const { logger, lines } = record("info");
  logger.debug("not this");
  logger.warn({ topic: "t" }, "this");
  assert.equal(lines.length, 1);
  const { time, ...line } = JSON.parse(lines[0] ?? "");
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(line, { level: "warn", service: "ccx-notifications", topic: "t", msg: "this" });
});

it("a secret that someone logs by accident is masked", () => {
  const { logger, lines } = record("info");
  logger.info({ password: "hunter2", config: { databaseUrl: "hunter2", serviceLogClientSecret: "hunter2" } });
  logger.info({
    request: { options: { headers: { authorization: "hunter2" } } },
    env: { DATABASE_URL: "hunter2" },
  });
  logger.child({ sasl: { username: "u", password: "hunter2" } }).info("from a child");
  assert.equal(lines.length, 3);
  assert.ok(!lines.join("").includes("hunter2"), lines.join(""));
});

it("nothing is written when the log is silent", () => {
  const { logger, lines } = record("silent");
  logger.fatal("help");
  assert.deepEqual(lines, []);
});
