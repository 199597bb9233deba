import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { startGuard } from "../../dev/stack/guard.ts";
import { findKafka } from "../../dev/stack/kafka/install.ts";
import { startKafka } from "../../dev/stack/kafka/kafka.ts";
import type { Listener } from "../../dev/stack/kafka/settings.ts";
import { findPorts } from "../../dev/stack/server.ts";
import { loadConfig, requireKeys } from "../../src/config/config.ts";
import { createKafka } from "../../src/kafka/client.ts";
import { createGroupConsumer } from "../../src/kafka/group_consumer.ts";
import { kafkaConfigurationError } from "../../src/kafka/kafka_errors.ts";
import { createProducer } from "../../src/kafka/producer.ts";
import { createLogger } from "../../src/log.ts";
import { until } from "../support/until.ts";

/**
 * One broker with a listener for each way in which installations ask clients who they are. One start of a
 * JVM pays for all of them.
 */

// what configuration files, JAAS and SASL may trip over: each has characters of its own that mean something
const user = "ccx";
const password = "s3cret=,;'#% ü";

const plainLogin = (name: string, secret: string) =>
  `org.apache.kafka.common.security.plain.PlainLoginModule required user_${name}="${secret}";`;
const scramLogin = "org.apache.kafka.common.security.scram.ScramLoginModule required;";

let folder: string;
const guard = startGuard();
const port: Record<string, number> = {};
const file = (name: string) => path.join(folder, name);

/** A certificate authority, and what it vouches for: `<name>.pem` and `<name>.key` in the folder. */
function makeCertificates(): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"];
  for (const authority of ["ca", "other-ca"])
    openssl(
      ...["req", "-x509", ...newKey, "-keyout", `${authority}.key`, "-out", `${authority}.pem`],
      ...["-subj", `/CN=${authority}`],
    );
  const issue = (name: string, authority: string) =>
    openssl(
      ...["req", "-x509", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`],
      ...["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`],
      ...["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:false"],
    );
  issue("broker", "ca");
  issue("client", "ca");
  issue("stranger", "other-ca");
}

function listeners(): Listener[] {
  const tls = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": file("broker.both"),
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": file("ca.pem"),
  };
  const scram = {
    "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
    "scram-sha-256.sasl.jaas.config": scramLogin,
    "scram-sha-512.sasl.jaas.config": scramLogin,
  };
  const at = (name: string, protocol: Listener["protocol"], settings: Record<string, string>) => ({
    name,
    port: port[name] ?? 0,
    protocol,
    settings,
  });
  return [
    at("PLAIN", "SASL_PLAINTEXT", {
      "sasl.enabled.mechanisms": "PLAIN",
      // a properties file is read as Latin-1
      "plain.sasl.jaas.config": plainLogin(user, password).replace("ü", "\\u00fc"),
    }),
    at("SCRAM", "SASL_PLAINTEXT", scram),
    at("TLS", "SSL", tls),
    at("MTLS", "SSL", { ...tls, "ssl.client.auth": "required" }),
    at("ALL", "SASL_SSL", { ...tls, ...scram, "ssl.client.auth": "required" }),
  ];
}

/**
 * Creates the user for both SCRAM mechanisms: AlterUserScramCredentials, version 0, as Kafka's protocol
 * guide lays it out. kafkajs does not have it, and Kafka's own tool would start another JVM.
 */
async function createScramUser(brokers: string): Promise<void> {
  const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const int32 = (value: number) =>
    Buffer.from([value >> 24, value >> 16, value >> 8, value].map((it) => it & 255));
  // one longer than it is, and below 127 here
  const compact = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length + 1]), bytes]);
  const noTags = Buffer.from([0]);
  const iterations = 4096;
  const [host = "", number = ""] = brokers.split(":");
  const socket = connect(Number(number), host);
  await once(socket, "connect");
  // the broker takes one mechanism of a user in a request
  for (const [mechanism, digest, length] of [[1, "sha256", 32] as const, [2, "sha512", 64] as const]) {
    const salt = randomBytes(16);
    const salted = pbkdf2Sync(password.normalize("NFKC"), salt, iterations, length, digest);
    const request = Buffer.concat([
      ...[int16(51), int16(0), int32(1), int16(-1), noTags],
      Buffer.from([1]), // no deletions
      Buffer.from([2]), // one upsertion
      ...[compact(Buffer.from(user)), Buffer.from([mechanism]), int32(iterations)],
      ...[compact(salt), compact(salted), noTags, noTags],
    ]);
    socket.write(Buffer.concat([int32(request.length), request]));
    const [answer] = (await once(socket, "data")) as [Buffer];
    // size, correlation, tags, throttle time, number of results + 1, the user, then the error code
    assert.equal(answer.readInt16BE(15 + user.length), 0, answer.toString("latin1"));
  }
  socket.destroy();
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ccx-secured-"));
  guard.addFolder(folder);
  makeCertificates();
  await writeFile(file("broker.both"), execFileSync("cat", [file("broker.key"), file("broker.pem")]));
  const names = ["PLAIN", "SCRAM", "TLS", "MTLS", "ALL"];
  const ports = await findPorts(names.length);
  names.forEach((name, index) => {
    port[name] = ports[index] ?? 0;
  });
  const work = file("kafka");
  await mkdir(work);
  const installation = await findKafka(work, guard, () => {});
  const broker = await startKafka(work, installation, guard, undefined, listeners());
  await createScramUser(broker.brokers);
});

after(async () => {
  await guard.end();
  await rm(folder, { recursive: true, force: true });
});

type Env = Record<string, string>;
const tls = (): Env => ({ CCX_KAFKA_TLS: "true", CCX_KAFKA_CA_FILE: file("ca.pem") });
const certificate = (name = "client"): Env => ({
  CCX_KAFKA_CERT_FILE: file(`${name}.pem`),
  CCX_KAFKA_KEY_FILE: file(`${name}.key`),
});
const login = (mechanism: string, secret = password): Env => ({
  CCX_KAFKA_SASL_MECHANISM: mechanism,
  CCX_KAFKA_SASL_USERNAME: user,
  CCX_KAFKA_SASL_PASSWORD: secret,
});

function kafkaAt(listener: string, env: Env) {
  const config = loadConfig({ env: { KAFKA_BROKERS: `127.0.0.1:${port[listener]}`, ...env } });
  requireKeys(config, ["kafkaBrokers"]);
  return createKafka(config, createLogger("silent"));
}

let topics = 0;

/** Sends a message and reads it in a group, as consumer and worker do. */
async function assertWorks(listener: string, env: Env): Promise<void> {
  const kafka = kafkaAt(listener, env);
  const topic = `topic-${++topics}`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
  const producer = createProducer(kafka);
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ value: listener }] });
  await producer.disconnect();
  const consumer = createGroupConsumer({
    kafka,
    group: topic,
    stopping: new AbortController().signal,
    onGivenUp: () => {},
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    const seen: string[] = [];
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) });
    await until("the message arrives", () => seen.length > 0);
    assert.deepEqual(seen, [listener]);
  } finally {
    await consumer.disconnect();
  }
}

/** Connects once, as the first step of every command does, and fails with the line that a person reads. */
async function assertRefused(listener: string, env: Env, saying: RegExp): Promise<void> {
  const admin = kafkaAt(listener, env).admin({ retry: { retries: 0 } });
  const thrown = await admin.connect().then(
    () => admin.listTopics(),
    (error) => error,
  );
  await admin.disconnect();
  assert.match(kafkaConfigurationError(thrown)?.message ?? `no line: ${thrown}`, saying);
}

describe("a broker that asks who we are is written to and read from", () => {
  const ways: [string, string, () => Env][] = [
    ["a password in the clear", "PLAIN", () => login("plain")],
    ["SCRAM with SHA-256", "SCRAM", () => login("scram-sha-256")],
    ["SCRAM with SHA-512", "SCRAM", () => login("scram-sha-512")],
    ["TLS and a CA of its own", "TLS", tls],
    ["a certificate of ours", "MTLS", () => ({ ...tls(), ...certificate() })],
    [
      "TLS, a certificate and SCRAM",
      "ALL",
      () => ({ ...tls(), ...certificate(), ...login("scram-sha-512") }),
    ],
  ];
  for (const [way, listener, env] of ways) it(`by ${way}`, () => assertWorks(listener, env()));

  it("when one of the addresses to start from does not resolve, and another refuses", async () => {
    const [closed] = await findPorts(1);
    const addresses = ["gone.invalid:9092", `127.0.0.1:${closed}`, `127.0.0.1:${port.ALL}`].join(",");
    const env = { ...tls(), ...certificate(), ...login("scram-sha-256"), KAFKA_BROKERS: addresses };
    await assertWorks("ALL", env);
  });
});

describe("a broker that does not let us in is named with what to check", () => {
  const refusals: [string, string, () => Env, RegExp][] = [
    ["a wrong password, PLAIN", "PLAIN", () => login("plain", "wrong"), /CCX_KAFKA_SASL_PASSWORD/],
    ["a wrong password, SCRAM", "SCRAM", () => login("scram-sha-512", "wrong"), /CCX_KAFKA_SASL_PASSWORD/],
    ["a mechanism it does not have", "SCRAM", () => login("plain"), /CCX_KAFKA_SASL_MECHANISM/],
    ["a certificate of an unknown CA", "TLS", () => ({ CCX_KAFKA_TLS: "true" }), /CCX_KAFKA_CA_FILE/],
    [
      "a certificate of another CA",
      "TLS",
      () => ({ ...tls(), CCX_KAFKA_CA_FILE: file("other-ca.pem") }),
      /CCX_KAFKA_CA_FILE/,
    ],
    ["no certificate of ours", "MTLS", tls, /do not accept our certificate: .*CCX_KAFKA_CERT_FILE/],
    [
      "a certificate of ours that a stranger signed",
      "MTLS",
      () => ({ ...tls(), ...certificate("stranger") }),
      /do not accept our certificate: .*CCX_KAFKA_CERT_FILE/,
    ],
  ];
  for (const [why, listener, env, saying] of refusals)
    it(`for ${why}`, () => assertRefused(listener, env(), saying));
});

it("a key that is none, or belongs to another certificate, is refused before anything is sent", async () => {
  const withKey = (name: string) => () =>
    kafkaAt("MTLS", { ...tls(), ...certificate(), CCX_KAFKA_KEY_FILE: file(name) });
  assert.throws(withKey("stranger.key"), /CCX_KAFKA_KEY_FILE is not the key of the certificate/);
  for (const name of ["client.pem", "absent.key"])
    assert.throws(withKey(name), /CCX_KAFKA_KEY_FILE names no file with a key/);
});
