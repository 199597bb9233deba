import { isIPv6 } from "node:net";
import { type Config, loadConfig } from "../config/config.ts";
import { ConfigurationError } from "../errors.ts";
import { readDuration, readFlag } from "./go_values.ts";
import { type IncumbentKey, type Program, programs } from "./keys.ts";
import type { Given, Origin, Variables } from "./sources.ts";

export type Target = "notifications backend" | "service log";

/** Settings of a policy, as SQL set_policy() takes them. */
export type PolicyChange = Readonly<Record<string, unknown>>;

/** The value of a key, "" when there is none. */
export const textOf = ({ values }: Given, name: string): string => values.get(name)?.text ?? "";
const originOf = ({ values }: Given, name: string): Origin => values.get(name)?.origin ?? "default";
export const flagOf = (given: Given, name: string): boolean => readFlag(textOf(given, name)) ?? false;
export const numberOf = (given: Given, name: string): number => Number(textOf(given, name) || 0);
export const listOf = (given: Given, name: string): string[] =>
  textOf(given, name)
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
const durationOf = (given: Given, name: string): number => readDuration(textOf(given, name)) ?? 0;

type Variable = { value: string; origin: Origin };

/** Our own variables, by name, and where each is from. */
type Translation = Map<string, Variable>;

/** Our variables that say what theirs says. Throws ConfigurationError for what cannot be said. */
export function translate(program: Program, given: Given): Translation {
  const ours: Translation = new Map();
  const put = (key: string, value: string, ...names: string[]) => {
    if (value === "") return;
    const origins = names.map((name) => originOf(given, name));
    ours.set(key, { value, origin: origins.find((origin) => origin !== "default") ?? "default" });
  };
  const section = program === "aggregator" ? "ocp_recommendations_storage" : "storage";
  const driver = textOf(given, `${section}.db_driver`);
  if (driver !== "postgres" && driver !== "")
    throw new ConfigurationError(
      `${section}.db_driver has to be postgres, but is ${JSON.stringify(driver)}.`,
    );
  const storage = ["pg_host", "pg_db_name", "pg_username", "pg_password", "pg_port", "pg_params"];
  put("DATABASE_URL", databaseUrl(given, section), ...storage.map((name) => `${section}.${name}`));
  const broker = program === "service" ? "kafka_broker" : "broker";
  putKafka(given, broker, put);
  put("CCX_LOG_LEVEL", logLevel(textOf(given, "logging.log_level")), "logging.log_level");
  if (program === "service") putService(given, put);
  else if (program === "writer") putWriter(given, put);
  else putAggregator(given, put);
  return ours;
}

type Put = (key: string, value: string, ...names: string[]) => void;

function putKafka(given: Given, section: string, put: Put): void {
  const named = (name: string) => `${section}.${name}`;
  const addresses = listOf(given, named("addresses")).map((host) =>
    /:\d+$/.test(host) ? host : `${host}:9092`,
  );
  put("KAFKA_BROKERS", addresses.join(","), named("addresses"));
  const protocol = textOf(given, named("security_protocol")).toUpperCase();
  const known = ["", "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
  if (!known.includes(protocol))
    throw new ConfigurationError(
      `${named("security_protocol")} has to be one of ${known.slice(1).join(", ")}.`,
    );
  const isTls = protocol.includes("SSL");
  put("CCX_KAFKA_TLS", String(isTls), named("security_protocol"));
  const certificates = textOf(given, named("cert_path"));
  if (isTls && certificates !== "not-set") put("CCX_KAFKA_CA_FILE", certificates, named("cert_path"));
  if (protocol.startsWith("SASL_")) {
    const mechanism = (textOf(given, named("sasl_mechanism")) || "PLAIN").toLowerCase();
    put("CCX_KAFKA_SASL_MECHANISM", mechanism, named("sasl_mechanism"), named("security_protocol"));
    put("CCX_KAFKA_SASL_USERNAME", textOf(given, named("sasl_username")), named("sasl_username"));
    put("CCX_KAFKA_SASL_PASSWORD", textOf(given, named("sasl_password")), named("sasl_password"));
  }
}

function putService(given: Given, put: Put): void {
  put("CCX_NOTIFICATIONS_TOPIC", textOf(given, "kafka_broker.topic"), "kafka_broker.topic");
  put(
    "CCX_CLUSTER_URL",
    textOf(given, "notifications.cluster_details_uri"),
    "notifications.cluster_details_uri",
  );
  put("CCX_RULE_URL", textOf(given, "notifications.rule_details_uri"), "notifications.rule_details_uri");
  put("CCX_CONTENT_URL", contentUrl(given), "dependencies.content_server", "dependencies.content_endpoint");
  put("CCX_CONTENT_ALLOW_HTTP", "true", "dependencies.content_server");
  put("CCX_CONTENT_TIMEOUT_MS", "10000", "dependencies.content_server");
  if (!targetsOf(given).includes("service log")) return;
  const url = textOf(given, "service_log.url");
  put("CCX_SERVICE_LOG_URL", withScheme(url), "service_log.url");
  for (const [key, name] of [
    ["TOKEN_URL", "token_url"],
    ["CLIENT_ID", "client_id"],
    ["CLIENT_SECRET", "client_secret"],
    ["CREATED_BY", "created_by"],
    ["USERNAME", "username"],
    ["RULE_URL", "rule_details_uri"],
  ] as const)
    put(`CCX_SERVICE_LOG_${key}`, textOf(given, `service_log.${name}`), `service_log.${name}`);
  const timeoutMs = Math.round(durationOf(given, "service_log.timeout"));
  if (timeoutMs > 0) put("CCX_SERVICE_LOG_TIMEOUT_MS", String(timeoutMs), "service_log.timeout");
}

function putWriter(given: Given, put: Put): void {
  put("CCX_RESULTS_TOPIC", textOf(given, "broker.topic"), "broker.topic");
  put("CCX_CONSUMER_GROUP", textOf(given, "broker.group"), "broker.group");
  putAddress(given, "metrics.address", put);
  put("CCX_TRACKER_TOPIC", textOf(given, "tracker.topic"), "tracker.topic");
  if (textOf(given, "tracker.topic") !== "")
    put("CCX_TRACKER_SERVICE", textOf(given, "tracker.service_name"), "tracker.service_name");
}

function putAggregator(given: Given, put: Put): void {
  const backend = textOf(given, "storage_backend.use");
  if (backend !== "ocp_recommendations")
    throw new ConfigurationError(
      `storage_backend.use has to be ocp_recommendations, but is ${JSON.stringify(backend)}.`,
    );
  if (flagOf(given, "broker.org_allowlist_enabled"))
    throw new ConfigurationError(
      "broker.org_allowlist_enabled has to be false: there is no list of organizations whose results are " +
        "taken.",
    );
  put("CCX_RESULTS_API", "aggregator");
  put("CCX_RESULTS_TOPIC", textOf(given, "broker.topic"), "broker.topic");
  put("CCX_CONSUMER_GROUP", textOf(given, "broker.group"), "broker.group");
  put(
    "CCX_DEAD_LETTER_TOPIC",
    textOf(given, "broker.dead_letter_queue_topic"),
    "broker.dead_letter_queue_topic",
  );
  const tracker = textOf(given, "broker.payload_tracker_topic");
  put("CCX_TRACKER_TOPIC", tracker, "broker.payload_tracker_topic");
  if (tracker !== "") put("CCX_TRACKER_SERVICE", textOf(given, "broker.service_name"), "broker.service_name");
  putAddress(given, "server.address", put);
  put("CCX_AGGREGATOR_PREFIX", textOf(given, "server.api_prefix"), "server.api_prefix");
  put("CCX_AGGREGATOR_DEBUG", String(flagOf(given, "server.debug")), "server.debug");
  put("CCX_AGGREGATOR_AUTH", String(flagOf(given, "server.auth")), "server.auth");
}

/** Go listens everywhere where no host is named. */
function putAddress(given: Given, name: string, put: Put): void {
  const address = textOf(given, name);
  if (address === "") return;
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (port === "")
    throw new ConfigurationError(`${name} has to be host:port or :port, but is ${JSON.stringify(address)}.`);
  put("CCX_HTTP_PORT", port, name);
  put("CCX_HTTP_HOST", host.replace(/^\[(.*)\]$/, "$1") || "0.0.0.0", name);
}

/** `http://` before what has no scheme, as theirs does it. */
export const withScheme = (url: string): string => (url === "" || /^http/i.test(url) ? url : `http://${url}`);

/** Server and endpoint are put together as they are. */
export const contentUrl = (given: Given): string =>
  withScheme(
    `${textOf(given, "dependencies.content_server")}${textOf(given, "dependencies.content_endpoint")}`,
  );

/** Where the rendering service answers; undefined when none is configured: then texts are made here. */
export function rendererUrl(given: Given): string | undefined {
  const server = textOf(given, "dependencies.template_renderer_server");
  if (server === "") return undefined;
  const endpoint = textOf(given, "dependencies.template_renderer_endpoint");
  return `${withScheme(server).replace(/\/+$/, "")}/${endpoint.replace(/^\/+/, "")}`;
}

/** The targets that are switched on. One that is on while nothing is said of the other is the only one. */
export function targetsOf(given: Given): Target[] {
  const kafka = flagOf(given, "kafka_broker.enabled");
  const serviceLog = flagOf(given, "service_log.enabled");
  const isOnlyDefault = serviceLog && originOf(given, "kafka_broker.enabled") === "default";
  const targets: Target[] = [];
  if (kafka && !isOnlyDefault) targets.push("notifications backend");
  if (serviceLog) targets.push("service log");
  return targets;
}

const levels = new Map([
  ...["debug", "info", "warn", "error", "fatal"].map((level) => [level, level] as const),
  ["warning", "warn"] as const,
]);

/** Anything else is debug, as with theirs. */
const logLevel = (text: string): string => levels.get(text.toLowerCase()) ?? "debug";

const sslModes = ["disable", "require", "verify-ca", "verify-full"];

/**
 * Where a database is, its parts percent-encoded. `sslmode` means what it means to their driver: without one,
 * TLS is required, and the server's certificate is checked only where that is asked for.
 */
export function databaseUrl(
  given: Given,
  section: "storage" | "aggregator_storage" | "ocp_recommendations_storage",
): string {
  const part = (name: string) => textOf(given, `${section}.pg_${name}`);
  if (part("host") === "" && part("db_name") === "") return "";
  const parameters = new URLSearchParams(part("params"));
  const mode = parameters.get("sslmode") || "require";
  if (!sslModes.includes(mode))
    throw new ConfigurationError(`sslmode in ${section}.pg_params has to be one of ${sslModes.join(", ")}.`);
  const named = part("host") || "localhost";
  const url = URL.parse(`postgres://${isIPv6(named) ? `[${named}]` : named}:${part("port") || "5432"}`);
  if (url === null || /[/?#@\s]/.test(named))
    throw new ConfigurationError(
      `${section}.pg_host has to be a host, but is ${JSON.stringify(named)}; pg_port a port.`,
    );
  const credentials = [part("username"), part("password")].map(encodeURIComponent);
  const known = new URLSearchParams();
  for (const name of ["sslrootcert", "sslcert", "sslkey", "options", "connect_timeout"]) {
    const value = parameters.get(name);
    if (value) known.set(name, value);
  }
  const caFile = section !== "aggregator_storage" ? given.clowder?.databaseCaFile : undefined;
  if (caFile !== undefined) known.set("sslrootcert", caFile);
  known.set("sslmode", caFile !== undefined && mode !== "disable" ? "verify-full" : mode);
  if (mode !== "disable") known.set("uselibpqcompat", "true");
  return `postgres://${credentials.join(":")}@${url.host}/${encodeURIComponent(part("db_name"))}?${known}`;
}

const theirFilter = "totalRisk >= totalRiskThreshold";

/** The policy of a target that decides as the incumbent does with this configuration. */
export function policyOf(given: Given, target: Target): PolicyChange {
  const section = target === "service log" ? "service_log" : "kafka_broker";
  const number = (name: string) => numberOf(given, `${section}.${name}`);
  const filter = textOf(given, `${section}.event_filter`).trim() || theirFilter;
  const others = number("likelihood_threshold") + number("impact_threshold") + number("severity_threshold");
  const isPlain = filter.replaceAll(/\s+/g, " ") === theirFilter && others === 0;
  const cooldown = textOf(given, `${section}.cooldown`).trim();
  const clusters = (name: string) =>
    flagOf(given, `processing.filter_${name}_clusters`)
      ? listOf(given, `processing.${name}_clusters`)
      : undefined;
  return {
    enabled: true,
    filter: isPlain ? null : filter,
    total_risk_threshold: number("total_risk_threshold"),
    likelihood_threshold: number("likelihood_threshold"),
    impact_threshold: number("impact_threshold"),
    severity_threshold: number("severity_threshold"),
    required_tags: flagOf(given, `${section}.tag_filter_enabled`) ? listOf(given, `${section}.tags`) : [],
    cooldown: cooldownOf(cooldown),
    allowed_clusters: clusters("allowed") ?? null,
    blocked_clusters: clusters("blocked") ?? [],
    // what theirs does not have
    spacing: "0",
    max_events: target === "service log" ? 1 : 1_000,
    flapping_action: "notify",
    max_report_age: null,
    storm_share: null,
  };
}

/** Blank, or a first word of 0, is no cooldown; a number alone is seconds, as PostgreSQL has it. */
function cooldownOf(text: string): string {
  if (text === "" || text.split(/\s/)[0] === "0") return "0";
  return /^\d+(\.\d+)?$/.test(text) ? `${text} seconds` : text;
}

/**
 * The configuration of ours that says what theirs says; what theirs leaves to its defaults, our own variables
 * may say. Throws ConfigurationError that names their keys where it can.
 */
export function ourConfig(program: Program, given: Given, env: Variables): Config {
  const translated = translate(program, given);
  const own = Object.entries(env).filter(
    ([name]) => !/^(CCX_NOTIFICATION_|INSIGHTS_RESULTS_AGGREGATOR_)/.test(name),
  );
  const at = (isDefault: boolean) =>
    [...translated]
      .filter(([, { origin }]) => (origin === "default") === isDefault)
      .map(([name, { value }]) => [name, value] as const);
  try {
    return loadConfig({
      env: { ...Object.fromEntries(at(true)), ...Object.fromEntries(own), ...Object.fromEntries(at(false)) },
    });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(inTheirWords(program, error.message), { cause: error });
  }
}

/** Adds the names of their keys to those of ours. */
function inTheirWords(program: Program, message: string): string {
  const theirs = new Map<string, string[]>();
  for (const { name, becomes } of programs[program].keys as readonly IncumbentKey[])
    if ("ours" in becomes) theirs.set(becomes.ours, [...(theirs.get(becomes.ours) ?? []), name]);
  return message
    .split("\n")
    .map((line) => {
      const [key = ""] = /^[A-Z_]+/.exec(line) ?? [];
      const names = theirs.get(key);
      return names ? `${names.join(", ")}: ${line}` : line;
    })
    .join("\n");
}
