import type { z } from "zod";
import { ConfigurationError } from "../errors.ts";
import { type ConfigName, type Key, keyList, keys } from "./keys.ts";
import { checkEnvironment, lookUp, readFile, type Variables } from "./sources.ts";
import { secureUrl, webUrl } from "./values.ts";

type Value<K> = K extends { schema: z.ZodType; default: string }
  ? z.output<K["schema"]>
  : K extends { schema: z.ZodType }
    ? z.output<K["schema"]> | undefined
    : never;

/** What one process runs with. Frozen. src/config/keys.ts says what each property means. */
export type Config = { readonly [Name in ConfigName]: Value<(typeof keys)[Name]> };

/**
 * Reads the configuration from the environment and, where that is silent, from a file in dotenv form.
 * Throws ConfigurationError with all problems, one a line; no secret is in it.
 */
export function loadConfig(options: { env: Variables; file?: string | undefined }): Config {
  const problems: string[] = [];
  const sources = [options.env];
  if (options.file !== undefined) sources.push(readFile(options.file, problems));
  checkEnvironment(options.env, problems);

  const config: Record<string, unknown> = {};
  for (const [name, key] of keyList) {
    const found = problems.length;
    let text: string | undefined;
    for (const source of sources) {
      text ??= lookUp(key, source, problems);
      if (problems.length > found) break;
    }
    text ??= key.default;
    const parsed = text === undefined ? undefined : key.schema.safeParse(text);
    if (parsed?.success === false) problems.push(wrongValue(key, text ?? "", parsed.error));
    config[name] = parsed?.data;
  }
  if (problems.length === 0) problems.push(...contradictions(config as Config));
  if (problems.length > 0) throw new ConfigurationError(problems.join("\n"));
  // everything we do needs a session (docs/reference/configuration.md, "Poolers")
  if (config.databaseDirectUrl !== undefined) config.databaseUrl = config.databaseDirectUrl;
  return Object.freeze(config) as Config;
}

/**
 * Makes sure that the optional keys which a command needs are set.
 * Throws ConfigurationError that names all those which are not.
 */
export function requireKeys<Name extends ConfigName>(
  config: Config,
  names: readonly Name[],
): asserts config is Config & { readonly [N in Name]: NonNullable<Config[N]> } {
  const unset = names.filter((name) => config[name] === undefined);
  if (unset.length === 0) return;
  throw new ConfigurationError(
    unset
      .map((name) => `${keys[name].key} is not set. ${keys[name].description.replaceAll("`", "")}`)
      .join("\n"),
  );
}

/** Of these only the password is hidden. */
const databaseUrls: ReadonlySet<string> = new Set<ConfigName>([
  "databaseUrl",
  "databaseDirectUrl",
  "databaseReadUrl",
]);

/**
 * The configuration as lines KEY=value, secrets and the passwords in URLs as `***`; unset keys have no value.
 */
export function describeConfig(config: Config): string[] {
  return keyList.map(([name, key]) => {
    const value = config[name];
    const text = value === undefined ? "" : Array.isArray(value) ? value.join(",") : String(value);
    if (databaseUrls.has(name) && text) return `${key.key}=${withoutPassword(text)}`;
    return `${key.key}=${key.secret && text ? "***" : shown(key, text)}`;
  });
}

function wrongValue(key: Key, text: string, error: z.ZodError): string {
  const mayBeSecret = key.secret || text.includes("@"); // a URL with a password in it
  const value = mayBeSecret ? "" : `, but is ${JSON.stringify(shown(key, text)).slice(0, 200)}`;
  return `${key.key} has to be ${error.issues[0]?.message}${value}.`;
}

/** A value as it may be printed: an address that we ask may carry a key in its query. */
function shown({ schema }: Key, text: string): string {
  return schema === secureUrl || schema === webUrl ? text.replace(/[?#].*$/s, "?***") : text;
}

function withoutPassword(text: string): string {
  const url = new URL(text);
  if (url.password) url.password = "***";
  return url.href.replaceAll(/([?&](?:ssl)?password=)[^&#]*/gi, "$1***");
}

/** Keys that only make sense together. */
function contradictions(config: Config): string[] {
  const problems: string[] = [];
  const together = (first: ConfigName, isOn: boolean, others: ConfigName[]) => {
    for (const other of others) {
      if (isOn && config[other] === undefined) {
        problems.push(`${keys[other].key} is required, because ${keys[first].key} is set.`);
      }
    }
  };
  together("serviceLogUrl", config.serviceLogUrl !== undefined, [
    "serviceLogClientId",
    "serviceLogClientSecret",
  ]);
  const hasMechanism = config.kafkaSaslMechanism !== undefined;
  together("kafkaSaslMechanism", hasMechanism, ["kafkaSaslUsername", "kafkaSaslPassword"]);
  for (const name of ["kafkaSaslUsername", "kafkaSaslPassword"] as const) {
    together(name, config[name] !== undefined, ["kafkaSaslMechanism"]);
  }
  together("archiveS3AccessKeyId", config.archiveS3AccessKeyId !== undefined, ["archiveS3SecretAccessKey"]);
  together("archiveS3SecretAccessKey", config.archiveS3SecretAccessKey !== undefined, [
    "archiveS3AccessKeyId",
  ]);
  for (const [store, name] of [
    ["folder", "archiveFolder"],
    ["s3", "archiveS3Bucket"],
  ] as const) {
    if (config.archiveStore === store && config[name] === undefined)
      problems.push(`${keys[name].key} is required, because ${keys.archiveStore.key} is ${store}.`);
  }
  const apart = (name: ConfigName, others: ConfigName[]) => {
    for (const other of others)
      if (config[name] !== undefined && config[name] === config[other])
        problems.push(`${keys[name].key} has to be another topic than ${keys[other].key}.`);
  };
  apart("deadLetterTopic", ["resultsTopic", "notificationsTopic", "workloadsTopic"]);
  apart("workloadsTopic", ["resultsTopic", "notificationsTopic", "announcementsTopic"]);
  if (config.workloadsTopic !== undefined && config.workloadsGroup === config.consumerGroup)
    problems.push("CCX_WORKLOADS_GROUP has to be another group than CCX_CONSUMER_GROUP.");
  together("httpCertFile", config.httpCertFile !== undefined, ["httpKeyFile"]);
  together("httpKeyFile", config.httpKeyFile !== undefined, ["httpCertFile"]);
  together("httpClientCaFile", config.httpClientCaFile !== undefined, ["httpCertFile"]);
  together("kafkaCertFile", config.kafkaCertFile !== undefined, ["kafkaKeyFile"]);
  together("kafkaKeyFile", config.kafkaKeyFile !== undefined, ["kafkaCertFile"]);
  for (const name of ["kafkaCaFile", "kafkaCertFile", "kafkaKeyFile"] as const) {
    if (config[name] !== undefined && !config.kafkaTls)
      problems.push(`CCX_KAFKA_TLS has to be true, because ${keys[name].key} is set.`);
  }
  const isPlainHttp = config.contentUrl !== undefined && !secureUrl.safeParse(config.contentUrl).success;
  if (isPlainHttp && !config.contentAllowHttp) {
    problems.push(
      "CCX_CONTENT_URL has to be an https:// URL (http:// only for this machine), or " +
        "CCX_CONTENT_ALLOW_HTTP has to be true.",
    );
  }
  return [...new Set(problems)];
}
