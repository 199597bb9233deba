import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect } from "node:tls";
import kafkajs, { type LogEntry } from "kafkajs";
import { loadConfig, requireKeys } from "../../src/config/config.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { createKafka } from "../../src/kafka/client.ts";
import { ConnectionRefused, kafkaConfigurationError } from "../../src/kafka/kafka_errors.ts";
import { kafkaLogCreator, kafkaLogLevel } from "../../src/kafka/kafka_log.ts";
import { createLogger } from "../../src/log.ts";

const { KafkaJSNonRetriableError, KafkaJSConnectionError, logLevel } = kafkajs;

function settings(env: Record<string, string>) {
  const config = loadConfig({ env: { KAFKA_BROKERS: "127.0.0.1:9", ...env } });
  requireKeys(config, ["kafkaBrokers"]);
  return config;
}

function recordingLogger(level: "debug" | "info" | "warn" = "debug") {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger(level, { write: (line) => void lines.push(JSON.parse(line)) });
  return { logger, lines };
}

/** An error as kafkajs makes them. */
function kafkaError(name: string, properties: Record<string, unknown> = {}, cause?: unknown): Error {
  return Object.assign(new Error(`${name} happened`, { cause }), { name, ...properties });
}
const protocolError = (type: string) => kafkaError("KafkaJSProtocolError", { type });

describe("an error of Kafka", () => {
  it("that a person has to settle becomes one line that says what to check", () => {
    const cases: [Error, RegExp][] = [
      [kafkaError("KafkaJSSASLAuthenticationError"), /^Kafka refuses the login: .*CCX_KAFKA_SASL_PASSWORD/],
      [protocolError("SASL_AUTHENTICATION_FAILED"), /^Kafka refuses the login/],
      [protocolError("UNSUPPORTED_SASL_MECHANISM"), /CCX_KAFKA_SASL_MECHANISM/],
      [protocolError("ILLEGAL_SASL_STATE"), /asks for no login here: .*CCX_KAFKA_SASL_MECHANISM/],
      [protocolError("TOPIC_AUTHORIZATION_FAILED"), /does not permit/],
      [kafkaError("KafkaJSConnectionError", { code: "SELF_SIGNED_CERT_IN_CHAIN" }), /CCX_KAFKA_CA_FILE/],
      [
        kafkaError("KafkaJSConnectionError", { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }),
        /CCX_KAFKA_CA_FILE/,
      ],
      [kafkaError("KafkaJSConnectionError", { code: "ERR_TLS_CERT_ALTNAME_INVALID" }), /CCX_KAFKA_CA_FILE/],
      [kafkaError("KafkaJSConnectionError", { code: "ERR_SSL_WRONG_VERSION_NUMBER" }), /CCX_KAFKA_TLS/],
    ];
    for (const [error, saying] of cases) {
      for (const wrapped of [error, kafkaError("KafkaJSNonRetriableError", {}, kafkaError("x", {}, error))]) {
        const problem = kafkaConfigurationError(wrapped);
        assert.ok(problem instanceof ConfigurationError);
        assert.match(problem.message, saying);
        assert.equal(problem instanceof ConnectionRefused, !problem.message.includes("does not permit"));
        assert.ok(!problem.message.includes("\n"));
      }
    }
  });

  it("that nobody has to settle has no such line", () => {
    const others = [
      new KafkaJSConnectionError("Connection error: connect ECONNREFUSED"),
      kafkaError(
        "KafkaJSNumberOfRetriesExceeded",
        { retriable: false },
        protocolError("UNKNOWN_TOPIC_OR_PARTITION"),
      ),
      kafkaError("KafkaJSNonRetriableError", { retriable: false }, kafkaError("KafkaJSLockTimeout")),
      protocolError("OUT_OF_ORDER_SEQUENCE_NUMBER"),
      protocolError("NOT_ENOUGH_REPLICAS"),
      protocolError("MESSAGE_TOO_LARGE"),
      kafkaError("KafkaJSNonRetriableError", {}, protocolError("INVALID_TOPIC_EXCEPTION")),
      new KafkaJSNonRetriableError('Invalid message without value for topic "t"'),
      kafkaError("KafkaJSNotImplemented"),
      new TypeError("x is not a function"),
      new Error("anything"),
      "not even an error",
    ];
    for (const error of others) assert.equal(kafkaConfigurationError(error), undefined);
  });
});

describe("a log line of kafkajs", () => {
  const entry = (level: number, namespace: string, message: string, extra = {}): LogEntry =>
    ({
      level,
      namespace,
      label: "",
      log: { timestamp: "", logger: "kafkajs", message, ...extra },
    }) as LogEntry;

  it("keeps positions and counts, and nothing that may hold a message or a password", () => {
    const { logger, lines } = recordingLogger();
    const extra = {
      broker: "b:1",
      retryCount: 2,
      error: "why",
      data: "secret",
      payload: "secret",
      stack: "secret",
    };
    kafkaLogCreator(logger)(logLevel.DEBUG)(entry(logLevel.DEBUG, "Connection", "Response Fetch", extra));
    const { time, ...line } = lines[0] ?? {};
    assert.equal(typeof time, "string");
    assert.deepEqual(line, {
      level: "debug",
      service: "ccx-notifications",
      kafka: "Connection",
      broker: "b:1",
      retryCount: 2,
      error: "why",
      msg: "Response Fetch",
    });
  });

  it("has a lower level where kafkajs goes on by itself", () => {
    const { logger, lines } = recordingLogger();
    const write = kafkaLogCreator(logger)(logLevel.DEBUG);
    const cases: [number, string, string, string][] = [
      [logLevel.ERROR, "Connection", "Connection error: connect ECONNREFUSED", "warn"],
      [logLevel.ERROR, "Connection", "Response Heartbeat(key: 12, version: 3)", "debug"],
      [logLevel.ERROR, "BrokerPool", "Failed to connect to seed broker, trying another broker", "debug"],
      [logLevel.ERROR, "Producer", "Failed to send messages: not leader", "warn"],
      [logLevel.ERROR, "Runner", "The coordinator is not aware of this member, re-joining the group", "warn"],
      [logLevel.WARN, "Runner", "The group is rebalancing, re-joining", "info"],
      [logLevel.WARN, "Producer", "Limiting retries for the idempotent producer may invalidate", "debug"],
      [logLevel.ERROR, "Consumer", "Crash: KafkaJSNonRetriableError", "error"],
      [logLevel.ERROR, "ConsumerGroup", "Offset out of range, resetting to default offset", "error"],
      [logLevel.INFO, "Consumer", "Starting", "info"],
    ];
    for (const [level, namespace, message, expected] of cases) {
      write(entry(level, namespace, message));
      assert.equal(lines.at(-1)?.level, expected, message);
    }
  });

  it("is asked for only where our own level lets it through", () => {
    assert.equal(kafkaLogLevel(recordingLogger("debug").logger), logLevel.DEBUG);
    assert.equal(kafkaLogLevel(recordingLogger("info").logger), logLevel.INFO);
    assert.equal(kafkaLogLevel(recordingLogger("warn").logger), logLevel.WARN);
    assert.equal(kafkaLogLevel(createLogger("silent")), logLevel.NOTHING);
  });
});

describe("the client", () => {
  it("refuses a CA file that is absent or holds no certificate", (context) => {
    const folder = mkdtempSync(join(tmpdir(), "kafka-test-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "ca.pem");
    const { logger } = recordingLogger();
    const create = () => createKafka(settings({ CCX_KAFKA_TLS: "true", CCX_KAFKA_CA_FILE: path }), logger);
    const isClear = (error: unknown) =>
      error instanceof ConfigurationError && /^CCX_KAFKA_CA_FILE /.test(error.message);
    assert.throws(create, isClear);
    writeFileSync(path, "not a certificate");
    assert.throws(create, isClear);
  });

  it("names TLS as the trouble when the broker answers without", async (context) => {
    const server = createServer((socket) => socket.on("error", () => undefined).end("this is not TLS\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    context.after(() => server.close());
    const { port } = server.address() as { port: number };
    // Through kafkajs the same error comes after ten seconds of retries, as the cause of what it throws.
    const [error] = await once(connect({ host: "127.0.0.1", port }), "error").catch((thrown) => [thrown]);
    assert.match(kafkaConfigurationError(error)?.message ?? "", /CCX_KAFKA_TLS/);
  });
});
