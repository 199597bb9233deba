import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { messageOf } from "../errors.ts";
import type { Program } from "./keys.ts";

/** What Clowder says, by the keys that it takes the place of. */
export type ClowderValues = {
  values: ReadonlyMap<string, string>;
  /** the name that a topic was asked for by → the one that it has */
  topics: ReadonlyMap<string, string>;
  /** with them the certificates that vouch for the database are checked */
  databaseCaFile: string | undefined;
};

const sasl = z.object({
  username: z.string().nullish(),
  password: z.string().nullish(),
  saslMechanism: z.string().nullish(),
  securityProtocol: z.string().nullish(),
});
const shape = z.object({
  kafka: z
    .object({
      brokers: z
        .array(
          z.object({
            hostname: z.string(),
            port: z.number().nullish(),
            authtype: z.string().nullish(),
            cacert: z.string().nullish(),
            securityProtocol: z.string().nullish(),
            sasl: sasl.nullish(),
          }),
        )
        .nullish(),
      topics: z.array(z.object({ name: z.string(), requestedName: z.string() })).nullish(),
    })
    .nullish(),
  database: z
    .object({
      name: z.string(),
      hostname: z.string(),
      port: z.number(),
      username: z.string(),
      password: z.string(),
      sslMode: z.string().nullish(),
      rdsCa: z.string().nullish(),
    })
    .nullish(),
  metricsPort: z.number().nullish(),
});

/**
 * What the platform says (`ACG_CONFIG` names its file), for either program; undefined without it. Brokers
 * with TLS and without a login, CAs for SASL_SSL, every topic and the database's TLS count, too.
 */
export function clowderValues(
  program: Program,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
  notes: string[],
): ClowderValues | undefined {
  const file = env.ACG_CONFIG;
  if (!file) {
    notes.push("Clowder is disabled");
    return undefined;
  }
  let config: z.infer<typeof shape>;
  try {
    config = shape.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const said =
      error instanceof z.ZodError ? z.prettifyError(error).replaceAll("\n", " ") : messageOf(error);
    problems.push(`ACG_CONFIG names no configuration of Clowder (${file}): ${said}.`);
    return undefined;
  }
  notes.push("Clowder is enabled");
  const values = new Map<string, string>();
  const section = program === "service" ? "kafka_broker" : "broker";
  const brokers = config.kafka?.brokers ?? [];
  const [first] = brokers;
  if (first === undefined) notes.push("Clowder names no Kafka brokers, the configured ones stay");
  else {
    const addresses = brokers.map(({ hostname, port }) => `${hostname}:${port ?? 9092}`);
    values.set(`${section}.addresses`, addresses.join(","));
    const protocol =
      first.sasl?.securityProtocol ??
      first.securityProtocol ??
      // a login that nobody says how to send is sent encrypted
      (first.sasl?.username ? "SASL_SSL" : first.cacert ? "SSL" : undefined);
    if (protocol) values.set(`${section}.security_protocol`, protocol);
    if (first.cacert) values.set(`${section}.cert_path`, keptInFile("kafka-ca.pem", first.cacert));
    if (first.sasl?.username) {
      values.set(`${section}.sasl_username`, first.sasl.username);
      values.set(`${section}.sasl_password`, first.sasl.password ?? "");
      values.set(`${section}.sasl_mechanism`, first.sasl.saslMechanism ?? "PLAIN");
    } else if (first.authtype === "sasl")
      notes.push("Clowder asks for a login to Kafka and names none, the configured one stays");
  }
  const { database } = config;
  if (database) {
    const storage = program === "aggregator" ? "ocp_recommendations_storage" : "storage";
    values.set(`${storage}.pg_host`, database.hostname);
    values.set(`${storage}.pg_port`, String(database.port));
    values.set(`${storage}.pg_db_name`, database.name);
    values.set(`${storage}.pg_username`, database.username);
    values.set(`${storage}.pg_password`, database.password);
    if (database.sslMode) values.set(`${storage}.pg_params`, `sslmode=${database.sslMode}`);
  }
  // the other programs have no such key
  if (config.metricsPort) values.set("metrics.address", `:${config.metricsPort}`);
  return {
    values,
    topics: new Map((config.kafka?.topics ?? []).map(({ requestedName, name }) => [requestedName, name])),
    databaseCaFile: database?.rdsCa ? keptInFile("database-ca.pem", database.rdsCa) : undefined,
  };
}

let folder: string | undefined;

/** Certificates that come as text, in a file of this process; it goes with the process. */
function keptInFile(name: string, text: string): string {
  if (folder === undefined) {
    const made = mkdtempSync(path.join(tmpdir(), "ccx-clowder-"));
    folder = made;
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  }
  const file = path.join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
