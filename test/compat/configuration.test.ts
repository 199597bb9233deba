import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { parseEnv } from "node:util";
import { parseSettings } from "../../src/cli/settings.ts";
import {
  aggregatorKeys,
  type Program,
  programs,
  serviceKeys,
  variableOf,
  writerKeys,
} from "../../src/compat/keys.ts";
import { allKeys, translation } from "../../src/compat/print_translation.ts";
import { readIncumbent } from "../../src/compat/sources.ts";
import {
  databaseUrl,
  ourConfig,
  policyOf,
  rendererUrl,
  targetsOf,
  textOf,
  translate,
} from "../../src/compat/translate.ts";
import { loadConfig } from "../../src/config/config.ts";
import { keyList } from "../../src/config/keys.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { runCcx, runProgram } from "../support/command.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ccx-compat-"));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const full = path.join(folder, name);
  await writeFile(full, text);
  return full;
}

const given = (program: Program, env: Record<string, string> = {}) => readIncumbent(program, env, folder);
const set = (program: Program, values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [variableOf(program, name), value]));
const translated = (program: Program, values: Record<string, string>) =>
  Object.fromEntries(
    [...translate(program, given(program, set(program, values)))].map(([key, { value }]) => [key, value]),
  );

/** A value for each key, other than its default. */
const sample = { flag: "true", number: "7", duration: "7s", list: "x,y", text: "some-text" } as const;
const sampleOf = (program: Program, name: string): string => {
  const key = programs[program].keys.find((one) => one.name === name);
  const own: Record<string, string> = {
    "storage.db_driver": "postgres",
    "aggregator_storage.db_driver": "postgres",
    "storage.pg_params": "sslmode=disable",
    "ocp_recommendations_storage.pg_params": "sslmode=disable",
    "ocp_recommendations_storage.db_driver": "postgres",
    "storage_backend.use": "ocp_recommendations",
    "broker.org_allowlist_enabled": "false",
    "server.address": ":8081",
    "server.api_prefix": "/other/",
    "server.auth": "false",
    "broker.dead_letter_queue_topic": "some-dead-letters",
    "kafka_broker.security_protocol": "PLAINTEXT",
    "broker.security_protocol": "PLAINTEXT",
    "kafka_broker.addresses": "b:1",
    "broker.addresses": "b:1",
    "metrics.address": ":8081",
    "notifications.cluster_details_uri": "https://x/{cluster_id}",
    "notifications.rule_details_uri": "https://x/{module}",
    "service_log.rule_details_uri": "https://x/{module}",
    "service_log.url": "https://x/",
    "service_log.token_url": "https://y/",
  };
  return (
    (program === "service" || name !== "metrics.address" ? own[name] : own[name]) ??
    sample[key?.type ?? "text"]
  );
};

describe("every key of theirs", () => {
  for (const program of ["service", "writer", "aggregator"] as const) {
    const { name: command, keys } = programs[program];

    test(`of ${command} is read from the environment, and shown unless it is a secret`, async () => {
      const values = Object.fromEntries(keys.map(({ name }) => [name, sampleOf(program, name)]));
      const { code, stdout, stderr } = await runProgram(
        command,
        [program === "aggregator" ? "print-config" : "--show-configuration"],
        {
          ...set(program, values),
          ...set(program, {
            "logging.debug": "false",
            "logging.use_stderr": "false",
            "logging.log_level": "info",
          }),
        },
      );
      assert.equal(code, 0, stderr);
      const shown = stdout
        .split("\n")
        .filter((line) => line.includes(' configuration"'))
        .map((line) => JSON.parse(line));
      for (const { name, secret } of keys) {
        if (name.startsWith("logging.")) continue;
        const key = name.split(".")[1] ?? "";
        const expected = secret ? "***" : sampleOf(program, name);
        assert.ok(
          shown.some((section) => section[key] === expected),
          `${name} is not shown as ${expected}`,
        );
      }
    });

    test(`of ${command} becomes a key or setting that exists, or says why it does not`, () => {
      const ours = new Set(keyList.map(([, { key }]) => key));
      const settings = new Set(Object.keys(policyOf(given("service"), "service log")));
      for (const { name, becomes } of keys) {
        if ("ours" in becomes) assert.ok(ours.has(becomes.ours), `${name} → ${becomes.ours}`);
        else if ("policy" in becomes) assert.ok(settings.has(becomes.policy), `${name} → ${becomes.policy}`);
        else assert.ok(("none" in becomes ? becomes.none : becomes.command).length > 10, name);
      }
    });
  }

  test("that becomes one of ours changes it", () => {
    const alone: Record<string, Record<string, string>> = {
      "kafka_broker.cert_path": { "kafka_broker.security_protocol": "SSL" },
      "broker.cert_path": { "broker.security_protocol": "SSL" },
      "tracker.service_name": { "tracker.topic": "t" },
      "broker.service_name": { "broker.payload_tracker_topic": "t" },
    };
    for (const [program, keys] of [
      ["service", serviceKeys],
      ["writer", writerKeys],
      ["aggregator", aggregatorKeys],
    ] as const)
      for (const { name, becomes } of keys) {
        if (!("ours" in becomes)) continue;
        const section = name.split(".")[0] ?? "";
        const login = /sasl_/.test(name) ? { [`${section}.security_protocol`]: "SASL_PLAINTEXT" } : {};
        const needed = {
          ...(section === "service_log" && { "service_log.enabled": "true" }),
          ...(section === "ocp_recommendations_storage" &&
            name !== "ocp_recommendations_storage.pg_host" && { "ocp_recommendations_storage.pg_host": "h" }),
          ...(section === "storage" && name !== "storage.pg_host" && { "storage.pg_host": "h" }),
          ...login,
          ...alone[name],
        };
        const changed = {
          ...needed,
          [name]:
            {
              "logging.log_level": "error",
              [`${section}.security_protocol`]: "SSL",
              "storage.pg_params": "sslmode=verify-full",
              "ocp_recommendations_storage.pg_params": "sslmode=verify-full",
            }[name] ?? sampleOf(program, name),
        };
        const without = translated(program, needed)[becomes.ours];
        assert.notEqual(translated(program, changed)[becomes.ours], without, `${name} → ${becomes.ours}`);
      }
  });
});

describe("files", () => {
  test("TOML, YAML and JSON are found without their extension; the environment goes before them", async () => {
    await file("one.toml", '[storage]\npg_host = "toml"\npg_port = 1\n[kafka_broker]\ntags = ["a", "b"]\n');
    await file("two.yaml", "storage:\n  PG_Host: yaml\n");
    await file("three.json", '{"storage": {"pg_host": "json"}, "unknown": {"key": 1}, "alone": 2}');
    const at = (name: string, more: Record<string, string> = {}) =>
      given("service", { CCX_NOTIFICATION_SERVICE_CONFIG_FILE: path.join(folder, name), ...more });
    assert.equal(textOf(at("one"), "storage.pg_host"), "toml");
    assert.equal(textOf(at("one.whatever"), "storage.pg_port"), "1");
    assert.equal(textOf(at("one"), "kafka_broker.tags"), "a,b");
    assert.equal(textOf(at("two"), "storage.pg_host"), "yaml");
    assert.equal(textOf(at("three"), "storage.pg_host"), "json");
    const over = at("one", set("service", { "storage.pg_host": "environment", "storage.pg_port": "" }));
    assert.equal(textOf(over, "storage.pg_host"), "environment");
    assert.equal(textOf(over, "storage.pg_port"), "1", "an empty variable is none");
    // a key that the file does not have: theirs would not see the variable
    const absent = at("one", set("service", { "logging.use_stderr": "true" }));
    assert.equal(textOf(absent, "logging.use_stderr"), "true");
    await file("config.toml", '[storage]\npg_host = "here"\n');
    assert.equal(textOf(given("service"), "storage.pg_host"), "here");
    await rm(path.join(folder, "config.toml"));
  });

  test("what cannot be read ends with code 1 and names the file", async () => {
    const broken = await file("broken.toml", "[storage\n");
    for (const [name, says] of [
      [broken, /configuration file .*broken\.toml cannot be read/],
      [path.join(folder, "nowhere"), /names no file that can be found/],
    ] as const) {
      const { code, stderr } = await runProgram("ccx-notification-writer", ["-show-configuration"], {
        CCX_NOTIFICATION_WRITER_CONFIG_FILE: name,
      });
      assert.equal(code, 1);
      assert.match(stderr, says);
    }
  });
});

describe("what it becomes", () => {
  test("a database URL whose parts are encoded, with what sslmode means to their driver", () => {
    const url = (values: Record<string, string>) => translated("service", values).DATABASE_URL ?? "";
    const parts = { "storage.pg_host": "db", "storage.pg_username": "u/r", "storage.pg_password": "p@s:s#?" };
    const parsed = new URL(url(parts));
    assert.deepEqual(
      [parsed.hostname, decodeURIComponent(parsed.username), decodeURIComponent(parsed.password)],
      ["db", "u/r", "p@s:s#?"],
    );
    assert.match(url({ "storage.pg_params": "sslmode=require" }), /sslmode=require&uselibpqcompat=true$/);
    assert.match(url({ "storage.pg_params": "binary_parameters=yes" }), /sslmode=require/);
    assert.throws(() => url({ "storage.pg_params": "sslmode=prefer" }), ConfigurationError);
    loadConfig({ env: { DATABASE_URL: url(parts) } });
    for (const [host, port, address] of [
      ["::1", "1", "@[::1]:1/"],
      ["[fd00::2]", "", "@[fd00::2]:5432/"],
      ["10.0.0.1", "5433", "@10.0.0.1:5433/"],
    ] as const)
      assert.ok(url({ "storage.pg_host": host, "storage.pg_port": port }).includes(address), host);
    for (const host of ["/var/run/postgresql", "a host", "user@host", "host/other", "host?x=y", "host:1"])
      assert.throws(
        () => url({ "storage.pg_host": host }),
        /^ConfigurationError: storage\.pg_host has to be/,
        host,
      );
    assert.throws(() => url({ "storage.pg_host": "h", "storage.pg_port": "70000" }), ConfigurationError);
    const kept = "sslmode=require&sslrootcert=/ca.pem&connect_timeout=5&options=-c%20x%3Dy&unknown=1";
    const { searchParams } = new URL(url({ "storage.pg_params": kept }));
    assert.deepEqual(Object.fromEntries(searchParams), {
      ...{ sslrootcert: "/ca.pem", options: "-c x=y", connect_timeout: "5" },
      ...{ sslmode: "require", uselibpqcompat: "true" },
    });
    assert.deepEqual(Object.fromEntries(new URL(url({})).searchParams), { sslmode: "disable" });
    const nothing = { "storage.pg_host": "", "storage.pg_db_name": "" };
    assert.equal(translate("writer", given("writer", set("writer", nothing))).get("DATABASE_URL"), undefined);
    assert.throws(
      () => translated("service", { "storage.db_driver": "sqlite3" }),
      /db_driver has to be postgres/,
    );
  });

  test("how much is logged: what theirs is shipped with, and everything where they do not know the word", () => {
    const level = (program: Program, text?: string) =>
      translated(program, text === undefined ? {} : { "logging.log_level": text }).CCX_LOG_LEVEL;
    assert.deepEqual([level("service"), level("writer")], ["info", "debug"]);
    for (const [text, ours] of [
      ["WARNING", "warn"],
      ["warn", "warn"],
      ["Error", "error"],
      ["fatal", "fatal"],
      ["loud", "debug"],
    ] as const)
      assert.equal(level("service", text), ours, text);
  });

  test("where the writer's counters are", () => {
    const at = (address: string) => {
      const ours = translated("writer", { "metrics.address": address });
      return [ours.CCX_HTTP_HOST, ours.CCX_HTTP_PORT];
    };
    assert.deepEqual(at(":8080"), ["0.0.0.0", "8080"]);
    assert.deepEqual(at("127.0.0.1:8080"), ["127.0.0.1", "8080"]);
    assert.deepEqual(at("[::1]:8080"), ["::1", "8080"]);
    for (const wrong of ["8080", "localhost", ":", ":http"])
      assert.throws(() => at(wrong), /^ConfigurationError: metrics\.address has to be/, wrong);
  });

  test("Kafka with TLS and a login, whose CA also counts for SASL_SSL", () => {
    const kafka = translated("writer", {
      "broker.addresses": "one:9093, two",
      "broker.security_protocol": "SASL_SSL",
      "broker.cert_path": "/ca.pem",
      "broker.sasl_mechanism": "SCRAM-SHA-512",
      "broker.sasl_username": "u",
      "broker.sasl_password": "p",
    });
    assert.equal(kafka.KAFKA_BROKERS, "one:9093,two:9092");
    assert.equal(kafka.CCX_KAFKA_TLS, "true");
    assert.equal(kafka.CCX_KAFKA_CA_FILE, "/ca.pem");
    assert.equal(kafka.CCX_KAFKA_SASL_MECHANISM, "scram-sha-512");
    const notSet = { "kafka_broker.security_protocol": "SSL", "kafka_broker.cert_path": "not-set" };
    assert.equal(translated("service", notSet).CCX_KAFKA_CA_FILE, undefined, "not-set is no file");
    assert.throws(() => translated("writer", { "broker.security_protocol": "TLS" }), ConfigurationError);
  });

  test("the one target that is switched on", () => {
    const targets = (values: Record<string, string>) => targetsOf(given("service", set("service", values)));
    assert.deepEqual(targets({}), ["notifications backend"]);
    assert.deepEqual(targets({ "service_log.enabled": "true" }), ["service log"]);
    assert.deepEqual(targets({ "kafka_broker.enabled": "false" }), []);
    assert.equal(targets({ "kafka_broker.enabled": "t", "service_log.enabled": "1" }).length, 2);
  });

  test("a policy: plain thresholds where the filter is theirs, cooldowns in their spellings", () => {
    const policy = (values: Record<string, string>) =>
      policyOf(given("service", set("service", values)), "notifications backend");
    assert.equal(policy({}).filter, null);
    assert.equal(policy({}).total_risk_threshold, 2);
    assert.equal(policy({ "kafka_broker.impact_threshold": "3" }).filter, "totalRisk >= totalRiskThreshold");
    assert.equal(policy({ "kafka_broker.event_filter": "impact > 1" }).filter, "impact > 1");
    for (const [cooldown, ours] of [
      ["0", "0"],
      ["0 days", "0"],
      [" ", "1 week"],
      ["90", "90 seconds"],
      ["3 days", "3 days"],
    ] as const)
      assert.equal(policy({ "kafka_broker.cooldown": cooldown.trim() }).cooldown, ours, cooldown);
    assert.equal(policy({ "kafka_broker.event_filter": " totalRisk  >=\ntotalRiskThreshold " }).filter, null);
    const lists = (values: Record<string, string>) => {
      const { allowed_clusters, blocked_clusters, required_tags } = policy(values);
      return { allowed_clusters, blocked_clusters, required_tags };
    };
    const named = {
      "processing.allowed_clusters": "a, b",
      "processing.blocked_clusters": "c",
      "kafka_broker.tags": "t",
    };
    const none = { allowed_clusters: null, blocked_clusters: [], required_tags: [] };
    assert.deepEqual(lists(named), none, "none of them is switched on");
    const on = {
      "processing.filter_allowed_clusters": "true",
      "processing.filter_blocked_clusters": "true",
      "kafka_broker.tag_filter_enabled": "true",
    };
    assert.deepEqual(lists({ ...named, ...on }), {
      ...{ allowed_clusters: ["a", "b"], blocked_clusters: ["c"], required_tags: ["t"] },
    });
    assert.deepEqual(lists(on), { ...none, allowed_clusters: [] }, "an empty list lets nobody through");
    const ofServiceLog = policyOf(given("service"), "service log");
    assert.deepEqual(
      [ofServiceLog.required_tags, ofServiceLog.total_risk_threshold, ofServiceLog.max_events],
      [["osd_customer"], 0, 1],
    );
    const timeouts = (timeout: string) =>
      translated("service", { "service_log.enabled": "true", "service_log.timeout": timeout })
        .CCX_SERVICE_LOG_TIMEOUT_MS;
    assert.deepEqual(["10s", "1m30s", "1.5s", "2000000000"].map(timeouts), [
      "10000",
      "90000",
      "1500",
      "2000",
    ]);
  });

  test("what is of no use to theirs is refused, with the key and what it has to be", () => {
    for (const [key, value, wanted] of [
      ["kafka_broker.enabled", "yes", "true or false"],
      ["kafka_broker.total_risk_threshold", "two", "a whole number"],
      ["kafka_broker.total_risk_threshold", "-1", "a whole number"],
      ["service_log.timeout", "soon", "a duration"],
      ["storage.pg_port", "12345678901", "a whole number"],
    ] as const)
      assert.throws(
        () => given("service", set("service", { [key]: value })),
        new RegExp(`^ConfigurationError: ${key} has to be ${wanted}.*, but is "${value}"\\.$`),
        key,
      );
  });

  test("links, content and the rendering service, put together as theirs are", () => {
    const service = (values: Record<string, string>) => given("service", set("service", values));
    const content = translated("service", {
      "dependencies.content_server": "http://c:1/api/v1/",
      "dependencies.content_endpoint": "content",
    });
    assert.equal(content.CCX_CONTENT_URL, "http://c:1/api/v1/content");
    assert.equal(rendererUrl(service({})), undefined);
    for (const [server, endpoint, url] of [
      ["r:2", undefined, "http://r:2/v1/rendered_reports"],
      ["https://r/", "/v1/x", "https://r/v1/x"],
      ["http://r/a//", "b", "http://r/a/b"],
    ] as const) {
      const renderer = {
        "dependencies.template_renderer_server": server,
        ...(endpoint && { "dependencies.template_renderer_endpoint": endpoint }),
      };
      assert.equal(rendererUrl(service(renderer)), url);
    }
    const off = { "service_log.url": "log.example/x" };
    assert.equal(translated("service", off).CCX_SERVICE_LOG_URL, undefined, "it is not switched on");
    assert.equal(
      translated("service", { ...off, "service_log.enabled": "true" }).CCX_SERVICE_LOG_URL,
      "http://log.example/x",
    );
  });

  test("our own variables say what theirs leaves to its defaults; theirs do not stop commands of ours", async () => {
    const env = { KAFKA_BROKERS: "ours:1", CCX_NOTIFICATIONS_TOPIC: "ours" };
    const config = ourConfig("service", given("service"), env);
    assert.deepEqual([config.kafkaBrokers, config.notificationsTopic], [["ours:1"], "ours"]);
    const theirs = set("service", { "kafka_broker.topic": "theirs", "kafka_broker.addresses": "theirs:1" });
    assert.equal(
      ourConfig("service", given("service", theirs), { ...env, ...theirs }).notificationsTopic,
      "theirs",
    );
    const { code } = await runCcx(["config"], { ...theirs, CCX_NOTIFICATION_SERVICE__NEW__KEY: "x" });
    assert.equal(code, 0);
    const wrong = set("service", { "kafka_broker.topic": "no topic" });
    assert.throws(
      () => ourConfig("service", given("service", wrong), wrong),
      /^ConfigurationError: kafka_broker\.topic: CCX_NOTIFICATIONS_TOPIC has to be/,
    );
  });
});

describe("Clowder", () => {
  const clowder = {
    metricsPort: 9000,
    kafka: {
      brokers: [
        {
          hostname: "k1",
          port: 9096,
          authtype: "sasl",
          cacert: "the CA",
          sasl: {
            username: "cu",
            password: "cp",
            saslMechanism: "SCRAM-SHA-512",
            securityProtocol: "SASL_SSL",
          },
        },
        { hostname: "k2" },
      ],
      topics: [
        { requestedName: "platform.notifications.ingress", name: "real-ingress" },
        { requestedName: "ccx.ocp.results", name: "real-results" },
        { requestedName: "platform.payload-status", name: "real-status" },
      ],
    },
    database: {
      ...{ name: "cdb", hostname: "chost", port: 5433, username: "cuser", password: "c@pass" },
      ...{ sslMode: "verify-full", rdsCa: "the RDS CA" },
    },
  };

  test("goes before everything else, in all that it says", async () => {
    const acg = await file("acg.json", JSON.stringify(clowder));
    const env = {
      ACG_CONFIG: acg,
      ...set("writer", {
        "storage.pg_host": "mine",
        "tracker.topic": "platform.payload-status",
        "broker.topic": "ccx.ocp.results",
      }),
    };
    const writer = given("writer", env);
    const ours = Object.fromEntries([...translate("writer", writer)].map(([key, { value }]) => [key, value]));
    assert.equal(ours.KAFKA_BROKERS, "k1:9096,k2:9092");
    assert.equal(ours.CCX_KAFKA_SASL_MECHANISM, "scram-sha-512");
    assert.equal(ours.CCX_KAFKA_SASL_USERNAME, "cu");
    assert.equal(ours.CCX_RESULTS_TOPIC, "real-results");
    assert.equal(ours.CCX_TRACKER_TOPIC, "real-status");
    assert.equal(ours.CCX_HTTP_PORT, "9000");
    const url = new URL(ours.DATABASE_URL ?? "");
    assert.deepEqual([url.hostname, url.port, url.pathname], ["chost", "5433", "/cdb"]);
    assert.equal(url.searchParams.get("sslmode"), "verify-full");
    assert.match(url.searchParams.get("sslrootcert") ?? "", /database-ca\.pem$/);
    assert.match(ours.CCX_KAFKA_CA_FILE ?? "", /kafka-ca\.pem$/);
    const required = { ...clowder, database: { ...clowder.database, sslMode: "require" } };
    const checked = given("writer", { ACG_CONFIG: await file("acg3.json", JSON.stringify(required)) });
    assert.match(
      translate("writer", checked).get("DATABASE_URL")?.value ?? "",
      /sslmode=verify-full/,
      "with a CA the certificate is checked",
    );
    const service = given("service", { ACG_CONFIG: acg });
    assert.equal(textOf(service, "kafka_broker.topic"), "real-ingress");
    assert.ok(writer.notes.includes("Clowder is enabled"));
  });

  test("brokers with TLS alone, none at all, and a file that is none", async () => {
    const tls = await file(
      "tls.json",
      JSON.stringify({ kafka: { brokers: [{ hostname: "k", port: 1, cacert: "c" }] } }),
    );
    const ours = translate("service", given("service", { ACG_CONFIG: tls }));
    assert.equal(ours.get("CCX_KAFKA_TLS")?.value, "true");
    const broker = (more: object) => ({ hostname: "k", port: 1, authtype: "sasl", ...more });
    for (const [nth, [one, protocol]] of [
      [broker({ sasl: { username: "u", password: "p" } }), "SASL_SSL"],
      [broker({ cacert: "c", sasl: { username: "u", password: "p" } }), "SASL_SSL"],
      [
        broker({ securityProtocol: "SASL_PLAINTEXT", sasl: { username: "u", password: "p" } }),
        "SASL_PLAINTEXT",
      ],
      [broker({ securityProtocol: "SSL", cacert: "c" }), "SSL"],
    ].entries() as ArrayIterator<[number, [object, string]]>) {
      const acg = await file(`broker${nth}.json`, JSON.stringify({ kafka: { brokers: [one] } }));
      const read = given("service", { ACG_CONFIG: acg });
      assert.equal(textOf(read, "kafka_broker.security_protocol"), protocol);
      const login = translate("service", read).get("CCX_KAFKA_SASL_MECHANISM")?.value;
      assert.equal(login, protocol.startsWith("SASL") ? "plain" : undefined, "how it logs in");
    }
    const none = await file("none.json", "{}");
    assert.equal(
      translate("service", given("service", { ACG_CONFIG: none })).get("KAFKA_BROKERS")?.value,
      "kafka:29092",
    );
    const { code, stderr } = await runProgram("ccx-notification-service", ["--show-configuration"], {
      ACG_CONFIG: path.join(folder, "nowhere.json"),
    });
    assert.equal(code, 1);
    assert.match(stderr, /ACG_CONFIG names no configuration of Clowder/);
  });

  test("what is said of the login counts before what is said of the broker, and nothing is made up", async () => {
    const read = async (program: Program, config: object) =>
      given(program, { ACG_CONFIG: await file("acg4.json", JSON.stringify(config)) });
    const one = (more: object) => ({ kafka: { brokers: [{ hostname: "k", port: 1, ...more }] } });
    const both = { securityProtocol: "SSL", sasl: { username: "u", securityProtocol: "SASL_SSL" } };
    const service = await read("service", one(both));
    assert.equal(textOf(service, "kafka_broker.security_protocol"), "SASL_SSL");
    assert.equal(textOf(service, "kafka_broker.sasl_password"), "");
    assert.ok(
      (await read("writer", {})).notes.includes("Clowder names no Kafka brokers, the configured ones stay"),
    );
    const nameless = await read("writer", one({ authtype: "sasl", sasl: {} }));
    assert.ok(
      nameless.notes.includes("Clowder asks for a login to Kafka and names none, the configured one stays"),
    );
    const writer = Object.fromEntries(
      [...translate("writer", await read("writer", clowder))].map(([key, { value }]) => [key, value]),
    );
    assert.equal(writer.CCX_HTTP_HOST, "0.0.0.0");
    assert.equal((await stat(String(writer.CCX_KAFKA_CA_FILE))).mode & 0o777, 0o600);
  });

  test("the aggregator has its database, its dead letters are mapped, too, and a group is no topic", async () => {
    const topics = [{ requestedName: "asked", name: "real" }];
    const env = {
      ACG_CONFIG: await file("acg5.json", JSON.stringify({ ...clowder, kafka: { topics } })),
      ...set("aggregator", { "broker.dead_letter_queue_topic": "asked", "broker.group": "asked" }),
    };
    const aggregator = given("aggregator", env);
    assert.equal(textOf(aggregator, "broker.dead_letter_queue_topic"), "real");
    assert.equal(textOf(aggregator, "broker.group"), "asked");
    assert.match(translate("aggregator", aggregator).get("DATABASE_URL")?.value ?? "", /@chost:5433\/cdb\?/);
    const service = given("service", {
      ACG_CONFIG: env.ACG_CONFIG,
      ...set("service", { "aggregator_storage.pg_host": "other", "aggregator_storage.pg_db_name": "a/b?c" }),
    });
    const url = new URL(databaseUrl(service, "aggregator_storage"));
    assert.deepEqual(
      [url.pathname, url.searchParams.get("sslrootcert")],
      ["/a%2Fb%3Fc", null],
      "Clowder vouches for its own database",
    );
    const plain = { ...clowder, database: { ...clowder.database, sslMode: "disable" } };
    const unencrypted = given("writer", { ACG_CONFIG: await file("acg6.json", JSON.stringify(plain)) });
    assert.equal(new URL(databaseUrl(unencrypted, "storage")).searchParams.get("sslmode"), "disable");
  });

  test("certificates are kept in a file of the process only", async () => {
    const before = await readdir(tmpdir());
    const acg = await file("acg2.json", JSON.stringify(clowder));
    const { finished } = await import("../support/command.ts");
    const bin = new URL("../../bin/ccx-notification-writer.js", import.meta.url).pathname;
    const ended = await finished([bin, "-show-configuration"], { ACG_CONFIG: acg });
    assert.equal(ended.code, 0, ended.stderr);
    assert.doesNotMatch(ended.stdout, /c@pass|the CA/);
    const left = (await readdir(tmpdir())).filter(
      (name) => name.startsWith("ccx-clowder-") && !before.includes(name),
    );
    assert.deepEqual(left, []);
  });
});

test("ccx config --from-incumbent prints a configuration that ours reads, the policy, and what has no place", async () => {
  const theirs = await file(
    "service.toml",
    `[kafka_broker]
addresses = "b:9092"
topic = "t"
total_risk_threshold = 3
tag_filter_enabled = true
tags = ["a b", "c"]
timeout = "60s"
sasl_password = "hunter2"
security_protocol = "SASL_PLAINTEXT"
[storage]
pg_password = "hunter3"
[notifications]
cluster_details_uri = "https://x/{cluster_id}#insights"
`,
  );
  const { code, stdout, stderr } = await runCcx(["config", "--from-incumbent", theirs]);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout, /hunter/);
  const printed = parseEnv(stdout) as Record<string, string>;
  assert.equal(printed.CCX_CLUSTER_URL, "https://x/{cluster_id}#insights");
  assert.equal(printed.CCX_NOTIFICATIONS_TOPIC, "t");
  loadConfig({ env: { ...printed, CCX_KAFKA_SASL_USERNAME: "u" } });
  assert.match(
    stdout,
    /^# ccx policy set --target 'notifications backend' .*total_risk_threshold=3 .*'required_tags=a b,c'/m,
  );
  assert.match(stdout, /^# kafka_broker\.timeout: not taken, /m);
  const odd = await file(
    "odd.toml",
    `[processing]
filter_allowed_clusters = true
[notifications]
cluster_details_uri = "https://x/it's/{cluster_id}#\\"insights"
[kafka_broker]
event_filter = "totalRisk > 1 && impact > 2"
`,
  );
  const oddly = (await runCcx(["config", "--from-incumbent", odd])).stdout;
  assert.equal(parseEnv(oddly).CCX_CLUSTER_URL, "https://x/it's/{cluster_id}#\"insights");
  const words = /^# ccx policy set .*? --reason '.*?' (.*)$/m.exec(oddly)?.[1] ?? "";
  const settings = parseSettings(
    [...words.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map(([, quoted, plain]) =>
      quoted === undefined ? String(plain) : quoted.replaceAll("'\\''", "'"),
    ),
  );
  const meant = policyOf(
    readIncumbent("service", { CCX_NOTIFICATION_SERVICE_CONFIG_FILE: odd }),
    "notifications backend",
  );
  assert.deepEqual(meant.allowed_clusters, []);
  for (const [name, value] of Object.entries(meant))
    assert.deepEqual(
      settings[name],
      typeof value === "number" || typeof value === "boolean" ? String(value) : value,
      name,
    );
  const writer = await file("writer.toml", '[broker]\ntopic = "r"\n[tracker]\ntopic = "s"\n');
  assert.match((await runCcx(["config", "--from-incumbent", writer])).stdout, /^CCX_TRACKER_TOPIC=s$/m);
  const other = await file("other.toml", "[something]\nkey = 1\n");
  const refused = await runCcx(["config", "--from-incumbent", other]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /has no section of/);
});

test("which program a file is for, what is a default and what has no place: each is said", async () => {
  const said = async (name: string, text: string, env: Record<string, string> = {}) => {
    const { stdout, stderr } = await runCcx(["config", "--from-incumbent", await file(name, text)], env);
    assert.equal(stderr, "");
    return stdout;
  };
  for (const [section, program] of [
    ["server", "insights-results-aggregator"],
    ["storage_backend", "insights-results-aggregator"],
    ["ocp_recommendations_storage", "insights-results-aggregator"],
    ["kafka_broker", "ccx-notification-service"],
    ["service_log", "ccx-notification-service"],
    ["dependencies", "ccx-notification-service"],
    ["processing", "ccx-notification-service"],
    ["cleaner", "ccx-notification-service"],
    ["broker", "ccx-notification-writer"],
    ["tracker", "ccx-notification-writer"],
  ] as const)
    assert.match(
      await said("which.toml", `[${section}]\nx = 1\n`),
      new RegExp(`as ${program} reads it$`, "m"),
    );
  const writer = await said(
    "said.toml",
    `[broker]
addresses = "b:1"
topic = "t"
timeout = ""
[logging]
debug = true
logging_to_cloud_watch_enabled = true
use_stderr = ""
`,
    set("writer", { "broker.topic": "of the environment" }),
  );
  assert.match(writer, /^KAFKA_BROKERS=b:1$/m);
  assert.match(writer, /^CCX_RESULTS_TOPIC=t$/m);
  assert.match(writer, /^CCX_LOG_LEVEL=debug {2}# their default$/m);
  assert.doesNotMatch(writer, /policy/);
  assert.deepEqual(
    writer
      .split("\n")
      .flatMap((line) => /^# (\S+): (not taken|only for the command)/.exec(line)?.slice(1).join(" ") ?? [])
      .sort(),
    ["logging.debug only for the command", "logging.logging_to_cloud_watch_enabled not taken"],
    "what the file has, and nothing that is empty or a default",
  );
  const secret = await said("secret.toml", '[service_log]\nenabled = true\nclient_secret = "hunter4"\n');
  assert.match(secret, /^CCX_SERVICE_LOG_CLIENT_SECRET=\*\*\*$/m);
  assert.doesNotMatch(secret, /hunter/);
  const filter = await said("filter.toml", `[kafka_broker]\nevent_filter = "impact > 1 && 'a' != 'b'"\n`);
  const [, word] = / ('filter=impact.*?b'\\'''?)/.exec(filter) ?? [];
  assert.equal(
    word?.replaceAll("'\\''", "\u0001").replaceAll("'", "").replaceAll("\u0001", "'"),
    "filter=impact > 1 && 'a' != 'b'",
  );
});

test("a value is quoted so that it is read again as it is", async () => {
  for (const user of ["plain", "a#b", "ends in a blank ", `"a"`, "'a'", "`a`", "it's a `b`"]) {
    const login = `security_protocol = "SASL_PLAINTEXT"\nsasl_username = ${JSON.stringify(user)}`;
    const theirs = await file("quoted.toml", `[kafka_broker]\n${login}\n`);
    const printed = parseEnv(translation(theirs).join("\n"));
    assert.equal(printed.CCX_KAFKA_SASL_USERNAME, user);
  }
});

test("a file is found and read as theirs would, whatever an editor has put in front", async () => {
  const own = await mkdtemp(path.join(folder, "found-"));
  await writeFile(path.join(own, "config.toml"), '[broker]\ntopic = "of toml"\n');
  const topic = () => textOf(readIncumbent("writer", {}, own), "broker.topic");
  assert.equal(topic(), "of toml");
  await writeFile(path.join(own, "config.json"), '\ufeff{"broker": {"topic": "of json"}, "tracker": null}');
  assert.equal(topic(), "of json", "theirs looks for it first");
  const long = set("service", { "service_log.timeout": "x".repeat(1_000) });
  assert.throws(
    () => given("service", long),
    (error: Error) => error.message.length < 300,
  );
});

test("spellings that theirs takes, and what cannot be had", () => {
  assert.equal(translated("writer", { "broker.security_protocol": "ssl" }).CCX_KAFKA_TLS, "true");
  const timeout = (text: string) =>
    translated("service", { "service_log.enabled": "true", "service_log.timeout": text })
      .CCX_SERVICE_LOG_TIMEOUT_MS;
  assert.deepEqual(["1h", "3000us", "2000000ns", "0s"].map(timeout), ["3600000", "3", "2", undefined]);
  for (const wrong of [
    { "storage_backend.use": "dvo_recommendations" },
    { "broker.org_allowlist_enabled": "true" },
  ] as Record<string, string>[])
    assert.throws(() => translated("aggregator", wrong), ConfigurationError);
  const cooldown = (text: string) =>
    policyOf(given("service", set("service", { "kafka_broker.cooldown": text })), "notifications backend")
      .cooldown;
  assert.deepEqual(["1.5", "2 hours", " "].map(cooldown), ["1.5 seconds", "2 hours", "0"]);
});

test("the guide has a row for every key, with what it becomes", async () => {
  const guide = await readFile(path.join(import.meta.dirname, "../../docs/guides/migrating.md"), "utf8");
  for (const program of ["service", "writer", "aggregator"] as const) {
    const { name: command } = programs[program];
    const part = guide.split(`\n### ${command}\n`)[1]?.split("\n### ")[0] ?? "";
    const rows = part.split("\n").filter((line) => line.startsWith("| `"));
    assert.deepEqual(
      rows,
      allKeys(program).map(({ name, becomes }) => `| \`${name}\` | ${becomes} |`),
    );
  }
});
