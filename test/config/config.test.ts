import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Config, describeConfig, loadConfig, requireKeys } from "../../src/config/config.ts";
import { keyList } from "../../src/config/keys.ts";
import { ConfigurationError } from "../../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "config-test-"));
after(() => rmSync(folder, { recursive: true }));

type Variables = Record<string, string>;
const load = (env: Variables, file?: string): Config => loadConfig({ env, file });

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The lines of the error that this configuration is refused with. */
function problems(env: Variables, file?: string): string[] {
  try {
    load(env, file);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    return error.message.split("\n");
  }
  assert.fail(`accepted: ${JSON.stringify(env)}`);
}

function refused(env: Variables, ...sayings: RegExp[]): void {
  const lines = problems(env);
  assert.equal(lines.length, sayings.length, lines.join("\n"));
  for (const [index, saying] of sayings.entries()) assert.match(lines[index] ?? "", saying);
}

describe("the configuration", () => {
  it("has defaults for everything but addresses and secrets, and is frozen", () => {
    const config = load({});
    assert.ok(Object.isFrozen(config));
    assert.equal(config.databaseUrl, undefined);
    assert.equal(config.databasePoolSize, 12);
    assert.equal(config.kafkaTls, false);
    assert.equal(config.resultsTopic, "ccx.ocp.results");
    assert.equal(config.serviceLogUrl, undefined);
    assert.equal(config.serviceLogTimeoutMs, 15_000);
    assert.match(config.ruleUrl, /\?first=\{module\}\|\{error_key\}$/);
    assert.equal(config.logLevel, "info");
  });

  it("reads each value as its type", () => {
    const config = load({
      DATABASE_URL: "postgresql://ccx:p%40ss@db.example:5432/ccx?sslmode=verify-full",
      KAFKA_BROKERS: "one:9092, two.example:9093",
      CCX_KAFKA_TLS: "true",
      CCX_BATCH_SIZE: " 50 ",
      PATH: "/usr/bin",
    });
    assert.deepEqual(config.kafkaBrokers, ["one:9092", "two.example:9093"]);
    assert.equal(config.kafkaTls, true);
    assert.equal(config.batchSize, 50);
  });

  it("comes from the environment before the file, and an empty value is none", () => {
    const file = write(
      "a.env",
      "# ours\nCCX_BATCH_SIZE=5\nexport CCX_LOG_LEVEL='warn'\nCCX_RESULTS_TOPIC=\n",
    );
    const config = load({ CCX_LOG_LEVEL: "debug", CCX_BATCH_SIZE: "" }, file);
    assert.equal(config.logLevel, "debug");
    assert.equal(config.batchSize, 5);
    assert.equal(config.resultsTopic, "ccx.ocp.results");
  });

  it("is refused with an unknown key, and the nearest known one is proposed", () => {
    refused({ CCX_BATCHSIZE: "5" }, /^CCX_BATCHSIZE, in the environment, .*did you mean CCX_BATCH_SIZE\?/);
    refused({ CCX_SOMETHING_ELSE: "5" }, /^CCX_SOMETHING_ELSE, in the environment, is not a key[^(]*$/);
    refused({ CCX_BATCH_SIZE_FILE: "x" }, /^CCX_BATCH_SIZE_FILE/);
    const file = write("b.env", "KAFKA_BROKER=a:1\nOTHER=1\n__proto__=1\n");
    const [first = "", second = ""] = problems({}, file);
    assert.match(first, /^KAFKA_BROKER, in .*b\.env, .*did you mean KAFKA_BROKERS\?/);
    assert.match(second, /^OTHER, in /);
  });

  it("ignores what Kubernetes sets for a Service whose name begins with ccx-", () => {
    const address = "tcp://10.0.0.1:80";
    load({
      CCX_NOTIFICATIONS_SERVICE_HOST: "10.0.0.1",
      CCX_NOTIFICATIONS_SERVICE_PORT: "80",
      CCX_NOTIFICATIONS_SERVICE_PORT_METRICS: "80",
      CCX_NOTIFICATIONS_PORT: address,
      CCX_NOTIFICATIONS_PORT_80_TCP: address,
      CCX_NOTIFICATIONS_PORT_80_TCP_ADDR: "10.0.0.1",
    });
  });

  it("is refused with a file that cannot be read, or has a line that is no assignment", () => {
    assert.match(problems({}, join(folder, "absent.env"))[0] ?? "", /absent\.env cannot be read/);
    assert.match(problems({}, folder)[0] ?? "", /cannot be read/);
    const file = write("c.env", "\n  # comment\nCCX_BATCH_SIZE 5\n");
    assert.match(problems({}, file)[0] ?? "", /^Line 3 of .*c\.env is not of the form KEY=value/);
  });

  it("is refused with all its problems at once", () => {
    refused(
      { CCX_BATCH_SIZE: "0", CCX_KAFKA_TLS: "yes", CCX_LOG_LEVEL: "loud", CCX_NO: "1" },
      /^CCX_NO,/,
      /^CCX_KAFKA_TLS has to be true or false, but is "yes"\.$/,
      /^CCX_BATCH_SIZE has to be a whole number of messages from 1 to 100000, but is "0"\.$/,
      /^CCX_LOG_LEVEL has to be trace or .*, but is "loud"\.$/,
    );
  });

  it("has to have whole numbers within their limits", () => {
    for (const value of ["-1", "1.5", "1e3", "0x10", "ten", "100001", "9".repeat(30)]) {
      refused({ CCX_BATCH_SIZE: value }, /^CCX_BATCH_SIZE has to be a whole number/);
    }
  });

  it("has to have brokers as host:port", () => {
    for (const value of [
      "one",
      "one:",
      ":9092",
      "one:0",
      "one:65536",
      "a:1,,b:2",
      "a:1,",
      "kafka://a:1",
      "a b:1",
      "[::1]:9092",
    ]) {
      refused({ KAFKA_BROKERS: value }, /^KAFKA_BROKERS has to be a list of host:port/);
    }
  });

  it("has to have links with known places only", () => {
    for (const value of [
      "console",
      "ftp://a/{cluster_id}",
      "https://a/{cluster}",
      "https://a/{",
      "https://a b/",
      "javascript:1",
    ]) {
      refused({ CCX_CLUSTER_URL: value }, /^CCX_CLUSTER_URL has to be an http/);
    }
    assert.equal(load({ CCX_CLUSTER_URL: "https://a/#{cluster_id}" }).clusterUrl, "https://a/#{cluster_id}");
  });

  it("has to have a topic's name for a topic", () => {
    for (const value of ["a b", ".", "..", "a/b", "x".repeat(250)])
      refused({ CCX_RESULTS_TOPIC: value }, /^CCX_RESULTS_TOPIC/);
  });

  it("has to name a topic and a group of their own for workloads; none are read unless it does", () => {
    assert.equal(load({}).workloadsTopic, undefined);
    assert.equal(load({ CCX_WORKLOADS_TOPIC: "" }).workloadsTopic, undefined);
    assert.equal(load({ CCX_WORKLOADS_TOPIC: "ccx.dvo.results" }).workloadsTopic, "ccx.dvo.results");
    for (const topic of ["ccx.ocp.results", "platform.notifications.ingress", "platform.upload.announce"])
      refused({ CCX_WORKLOADS_TOPIC: topic }, /^CCX_WORKLOADS_TOPIC has to be another topic than CCX_/);
    const dead = { CCX_WORKLOADS_TOPIC: "w", CCX_DEAD_LETTER_TOPIC: "w" };
    refused(dead, /^CCX_DEAD_LETTER_TOPIC has to be another topic than CCX_WORKLOADS_TOPIC/);
    const group = { CCX_WORKLOADS_TOPIC: "w", CCX_WORKLOADS_GROUP: "ccx_notifications" };
    refused(group, /^CCX_WORKLOADS_GROUP has to be another group than CCX_CONSUMER_GROUP/);
  });
});

describe("secrets", () => {
  it("may be given as files, whose last line break does not count", () => {
    const CCX_KAFKA_SASL_PASSWORD_FILE = write("password", "s3cret with space \n");
    const sasl = {
      CCX_KAFKA_SASL_MECHANISM: "plain",
      CCX_KAFKA_SASL_USERNAME: "u",
      CCX_KAFKA_SASL_PASSWORD_FILE,
    };
    assert.equal(load(sasl).kafkaSaslPassword, "s3cret with space ");
    const DATABASE_URL_FILE = write("url", "postgres://u:p@h/d");
    assert.equal(load({ DATABASE_URL_FILE }).databaseUrl, "postgres://u:p@h/d");
    assert.equal(
      load({ DATABASE_URL: "postgres://env/d" }, write("d.env", `DATABASE_URL_FILE=${DATABASE_URL_FILE}`))
        .databaseUrl,
      "postgres://env/d",
    );
  });

  it("are refused when given twice, or by a file that is absent or empty", () => {
    refused(
      { DATABASE_URL: "postgres://h/d", DATABASE_URL_FILE: "/x" },
      /^DATABASE_URL and DATABASE_URL_FILE are both set/,
    );
    refused(
      { DATABASE_URL_FILE: join(folder, "absent") },
      /^DATABASE_URL_FILE names a file that cannot be read/,
    );
    refused({ DATABASE_URL_FILE: write("empty", "\n") }, /^DATABASE_URL_FILE names an empty file/);
  });

  it("are never in the text of a problem", () => {
    const hidden = "hunter2";
    const lines = [
      ...problems({ DATABASE_URL: `mysql://u:${hidden}@h/d` }),
      ...problems({ DATABASE_URL: `postgres://u:${hidden}#x@h/d` }),
      ...problems({ DATABASE_URL: `postgres://u:${hidden}%@h/d` }),
      ...problems({ CCX_KAFKA_SASL_PASSWORD: `${hidden}\u0007` }),
      ...problems({ CCX_KAFKA_SASL_PASSWORD: hidden }),
      ...problems({ CCX_SERVICE_LOG_TOKEN_URL: `https://u:${hidden}@h/` }),
      ...problems({ DATABASE_URL_FILE: write("wrong", `mysql://u:${hidden}@h/d`) }),
    ];
    assert.ok(!lines.join("\n").includes(hidden), lines.join("\n"));
    assert.match(
      lines[0] ?? "",
      /^DATABASE_URL has to be a URL such as postgres:\/\/user:password@host:5432\/database/,
    );
  });

  it("are masked where the configuration is described", () => {
    const describe = (env: Variables) => describeConfig(load(env)).join("\n");
    const text = describe({
      DATABASE_URL: "postgres://a@b:hunter2@h:5432/d?sslmode=require&password=hunter2&sslpassword=hunter2",
      CCX_SERVICE_LOG_URL: "https://h/x",
      CCX_SERVICE_LOG_CLIENT_ID: "me",
      CCX_SERVICE_LOG_CLIENT_SECRET: "hunter2",
      KAFKA_BROKERS: "a:1, b:2",
    });
    assert.ok(!text.includes("hunter2"), text);
    assert.match(
      text,
      /^DATABASE_URL=postgres:\/\/.*:\*\*\*@h:5432\/d\?sslmode=require&password=\*\*\*&sslpassword=\*\*\*$/m,
    );
    assert.match(text, /^CCX_SERVICE_LOG_CLIENT_SECRET=\*\*\*$/m);
    assert.match(text, /^CCX_KAFKA_SASL_PASSWORD=$/m);
    assert.match(text, /^KAFKA_BROKERS=a:1,b:2$/m);
    assert.match(describe({}), /^DATABASE_URL=$/m);
    assert.equal(text.split("\n").length, keyList.length);
  });
});

describe("the keys of uploads", () => {
  it("are lists, sizes by service, and the store with what it needs", () => {
    const config = load({
      CCX_UPLOAD_SERVICES: " openshift, ,qpc ",
      CCX_UPLOAD_MAX_BYTES_BY_SERVICE: "qpc=157286400, openshift = 5",
      CCX_UPLOAD_DENIED_ORGS: "1,2",
      CCX_ARCHIVE_STORE: "s3",
      CCX_ARCHIVE_S3_BUCKET: "insights-upload-perma",
      CCX_ARCHIVE_S3_ENDPOINT: "http://minio:9000",
      CCX_ARCHIVE_S3_ACCESS_KEY_ID: "id",
      CCX_ARCHIVE_S3_SECRET_ACCESS_KEY: "hidden",
    });
    assert.deepEqual(config.uploadServices, ["openshift", "qpc"]);
    assert.deepEqual(
      config.uploadMaxBytesByService?.map(({ name, bytes }) => [name, bytes]),
      [
        ["qpc", 157_286_400],
        ["openshift", 5],
      ],
    );
    const lines = describeConfig(config);
    assert.ok(lines.includes("CCX_UPLOAD_MAX_BYTES_BY_SERVICE=qpc=157286400,openshift=5"));
    assert.ok(lines.includes("CCX_ARCHIVE_S3_SECRET_ACCESS_KEY=***"));
    assert.equal(load({}).upload, true);
  });

  it("are refused where they make no sense", () => {
    refused({ CCX_UPLOAD_SERVICES: "a;b" }, /has to be a list of names, separated by commas/);
    for (const wrong of ["qpc", "qpc=", "=5", "qpc=5,", "qpc=x", "qpc=-1"])
      refused({ CCX_UPLOAD_MAX_BYTES_BY_SERVICE: wrong }, /has to be a list of service=bytes/);
    for (const wrong of ["A", "ab", "-ab", "a_b", "x".repeat(64), "a/b"])
      refused({ CCX_ARCHIVE_S3_BUCKET: wrong }, /has to be a bucket's name/);
    refused(
      { CCX_ARCHIVE_STORE: "s3" },
      /^CCX_ARCHIVE_S3_BUCKET is required, because CCX_ARCHIVE_STORE is s3\.$/,
    );
    refused({ CCX_ARCHIVE_STORE: "folder" }, /^CCX_ARCHIVE_FOLDER is required/);
    refused({ CCX_ARCHIVE_S3_ACCESS_KEY_ID: "id" }, /^CCX_ARCHIVE_S3_SECRET_ACCESS_KEY is required/);
    refused({ CCX_ARCHIVE_S3_SECRET_ACCESS_KEY: "x" }, /^CCX_ARCHIVE_S3_ACCESS_KEY_ID is required/);
    refused({ CCX_ARCHIVE_S3_ENDPOINT: "http://169.254.169.254/" }, /link-local and metadata addresses/);
    refused({ CCX_ARCHIVE_URL_SECONDS: "604801" }, /from 60 to 604800/);
  });
});

describe("keys that belong together", () => {
  const account = { CCX_SERVICE_LOG_CLIENT_ID: "me", CCX_SERVICE_LOG_CLIENT_SECRET: "s" };

  it("are Service Log's address and account", () => {
    refused(
      { CCX_SERVICE_LOG_URL: "https://h/x" },
      /^CCX_SERVICE_LOG_CLIENT_ID is required, because CCX_SERVICE_LOG_URL is set/,
      /^CCX_SERVICE_LOG_CLIENT_SECRET is required/,
    );
    load(account);
  });

  it("are the login to Kafka: mechanism, name and password", () => {
    refused(
      { CCX_KAFKA_SASL_MECHANISM: "plain" },
      /^CCX_KAFKA_SASL_USERNAME is req/,
      /^CCX_KAFKA_SASL_PASSWORD is req/,
    );
    refused(
      { CCX_KAFKA_SASL_USERNAME: "u" },
      /^CCX_KAFKA_SASL_MECHANISM is required, because CCX_KAFKA_SASL_USERNAME/,
    );
    refused({ CCX_KAFKA_SASL_MECHANISM: "gssapi" }, /plain or scram-sha-256 or scram-sha-512/);
  });

  it("are Kafka's certificates and TLS", () => {
    refused({ CCX_KAFKA_CA_FILE: "/ca.pem" }, /^CCX_KAFKA_TLS has to be true/);
    const certificate = { CCX_KAFKA_CERT_FILE: "/c.pem", CCX_KAFKA_KEY_FILE: "/c.key" };
    refused(
      certificate,
      /^CCX_KAFKA_TLS has .* CCX_KAFKA_CERT_FILE/,
      /^CCX_KAFKA_TLS has .* CCX_KAFKA_KEY_FILE/,
    );
    for (const [one, path] of Object.entries(certificate))
      refused({ CCX_KAFKA_TLS: "true", [one]: path }, /^CCX_KAFKA_(CERT|KEY)_FILE is required/);
  });

  it("the content service is reached by https, unless it is on this machine or http is allowed", () => {
    const far = "http://content.example/api/v1/content";
    const refusal =
      /^CCX_CONTENT_URL has to be an https:\/\/ URL .*, or CCX_CONTENT_ALLOW_HTTP has to be true\.$/;
    for (const url of ["https://content.example/x", "http://127.0.0.1:1/x", "http://localhost/x"])
      assert.equal(load({ CCX_CONTENT_URL: url }).contentUrl, url);
    refused({ CCX_CONTENT_URL: far }, refusal);
    refused({ CCX_CONTENT_URL: far, CCX_CONTENT_ALLOW_HTTP: "false" }, refusal);
    assert.equal(load({ CCX_CONTENT_URL: far, CCX_CONTENT_ALLOW_HTTP: "true" }).contentUrl, far);
    for (const url of ["ftp://h/x", "h", "https://u:hunter2@h/", "https://u@h/"]) {
      const [line = ""] = problems({ CCX_CONTENT_URL: url, CCX_CONTENT_ALLOW_HTTP: "true" });
      assert.match(line, /^CCX_CONTENT_URL has to be an http\(s\):\/\/ URL without user name and password/);
      assert.doesNotMatch(line, /hunter2/);
    }
  });

  it("Service Log is reached by https, unless it is on this machine", () => {
    for (const url of ["https://h/x", "http://localhost:8000/x", "http://127.0.0.1:1/", "http://[::1]:80/"]) {
      assert.equal(load({ ...account, CCX_SERVICE_LOG_URL: url }).serviceLogUrl, url);
    }
    for (const url of [
      "http://h/x",
      "http://localhost.example/",
      "http://127.0.0.1.example/",
      "https://u@h/",
      "file:///x",
      "h",
    ]) {
      refused({ ...account, CCX_SERVICE_LOG_URL: url }, /^CCX_SERVICE_LOG_URL has to be an https/);
      refused({ CCX_SERVICE_LOG_TOKEN_URL: url }, /^CCX_SERVICE_LOG_TOKEN_URL has to be an https/);
    }
  });
});

it("a command names all the keys that it lacks", () => {
  const config = load({});
  assert.throws(
    () => requireKeys(config, ["databaseUrl", "kafkaBrokers"]),
    (error) =>
      error instanceof ConfigurationError &&
      /^DATABASE_URL is not set.*\nKAFKA_BROKERS is not set/.test(error.message),
  );
  const complete: Config = load({ DATABASE_URL: "postgres://h/d" });
  requireKeys(complete, ["databaseUrl"]);
  const url: string = complete.databaseUrl;
  assert.equal(url, "postgres://h/d");
});

it("docs/reference/configuration.md lists every key with its default and meaning", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/reference/configuration.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  const expected = keyList.map(([, { key, secret, default: value, description }]) => {
    const shown = value === undefined ? "" : `\`${value.replaceAll("|", "\\|")}\``;
    return `| \`${key}\`${secret ? " (secret)" : ""} | ${shown} | ${description} |`;
  });
  assert.deepEqual(rows, expected);
});
