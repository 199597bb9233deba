import type { z } from "zod";
import {
  brokers,
  count,
  flag,
  linkTemplate,
  postgresUrl,
  secureUrl,
  text,
  topic,
  webUrl,
  word,
} from "./values.ts";

/** One key of the configuration. */
export interface Key<Schema extends z.ZodType = z.ZodType> {
  /** Its name in the environment and in the file. */
  key: string;
  schema: Schema;
  /** As one would write it; without one, the key is optional and its value may be undefined. */
  default?: string;
  /** Never shown; may also be given as the path of a file, in `<key>_FILE`. */
  secret?: true;
  /** One line of Markdown for docs/reference/configuration.md. */
  description: string;
}

const advisor = "https://console.redhat.com/openshift/insights/advisor";
const sso = "https://sso.redhat.com/auth/realms/redhat-external/protocol/openid-connect/token";

/** Every key there is. docs/reference/configuration.md lists the same; a test compares them. */
export const keys = {
  databaseUrl: {
    key: "DATABASE_URL",
    schema: postgresUrl,
    secret: true,
    description: "The database: `postgres://user:password@host:5432/database`.",
  },
  databaseDirectUrl: {
    key: "CCX_DATABASE_DIRECT_URL",
    schema: postgresUrl,
    secret: true,
    description:
      "The same database without a pooler (PgBouncer) in between, where `DATABASE_URL` has one; used in its place.",
  },
  databasePoolSize: {
    key: "CCX_DATABASE_POOL_SIZE",
    // one listens, one for each of the seven tasks and one for a second decider, two for the consumer's
    // partitions, one to spare
    schema: count(12, 1_000),
    default: "12",
    description: "Most connections that one process keeps open to the database; 12 at least.",
  },
  kafkaBrokers: {
    key: "KAFKA_BROKERS",
    schema: brokers,
    description: "Kafka brokers to start from: `host:port`, separated by commas.",
  },
  kafkaClientId: {
    key: "CCX_KAFKA_CLIENT_ID",
    schema: text,
    default: "ccx-notifications",
    description: "The name under which brokers see this process.",
  },
  kafkaTls: {
    key: "CCX_KAFKA_TLS",
    schema: flag,
    default: "false",
    description: "Whether to talk TLS to the brokers: `true` or `false`.",
  },
  kafkaCaFile: {
    key: "CCX_KAFKA_CA_FILE",
    schema: text,
    description:
      "File with the certificates (PEM) that vouch for the brokers, in place of the system's. Needs TLS.",
  },
  kafkaCertFile: {
    key: "CCX_KAFKA_CERT_FILE",
    schema: text,
    description: "File with our own certificate (PEM), for brokers that ask for one. Needs TLS and a key.",
  },
  kafkaKeyFile: {
    key: "CCX_KAFKA_KEY_FILE",
    schema: text,
    description: "File with the private key of that certificate (PEM, without a passphrase).",
  },
  kafkaSaslMechanism: {
    key: "CCX_KAFKA_SASL_MECHANISM",
    schema: word(["plain", "scram-sha-256", "scram-sha-512"]),
    description:
      "How to log in to the brokers: `plain`, `scram-sha-256` or `scram-sha-512`. Unset: no login.",
  },
  kafkaSaslUsername: {
    key: "CCX_KAFKA_SASL_USERNAME",
    schema: text,
    description: "The user name for the brokers. Required with a mechanism.",
  },
  kafkaSaslPassword: {
    key: "CCX_KAFKA_SASL_PASSWORD",
    schema: text,
    secret: true,
    description: "The password for the brokers. Required with a mechanism.",
  },
  resultsTopic: {
    key: "CCX_RESULTS_TOPIC",
    schema: topic,
    default: "ccx.ocp.results",
    description: "The topic that reports are read from.",
  },
  consumerGroup: {
    key: "CCX_CONSUMER_GROUP",
    schema: text,
    default: "ccx_notifications",
    description: "The consumer group that reads it.",
  },
  notificationsTopic: {
    key: "CCX_NOTIFICATIONS_TOPIC",
    schema: topic,
    default: "platform.notifications.ingress",
    description: "The topic that notifications are written to.",
  },
  deadLetterTopic: {
    key: "CCX_DEAD_LETTER_TOPIC",
    schema: topic,
    description:
      "The topic that rejected messages are written to as well. Unset: they are only in `rejected_message`.",
  },
  clusterUrl: {
    key: "CCX_CLUSTER_URL",
    schema: linkTemplate("cluster_id"),
    default: `${advisor}/clusters/{cluster_id}`,
    description: "Link to a cluster, in notifications.",
  },
  ruleUrl: {
    key: "CCX_RULE_URL",
    schema: linkTemplate("cluster_id", "module", "error_key"),
    default: `${advisor}/clusters/{cluster_id}?first={module}|{error_key}`,
    description: "Link to an issue of a cluster, in notifications.",
  },
  serviceLogUrl: {
    key: "CCX_SERVICE_LOG_URL",
    schema: secureUrl,
    description: "Where Service Log takes entries. Unset: this process does not deliver to Service Log.",
  },
  serviceLogTokenUrl: {
    key: "CCX_SERVICE_LOG_TOKEN_URL",
    schema: secureUrl,
    default: sso,
    description: "Where to get an access token for Service Log.",
  },
  serviceLogClientId: {
    key: "CCX_SERVICE_LOG_CLIENT_ID",
    schema: text,
    description: "The service account for the token. Required with `CCX_SERVICE_LOG_URL`.",
  },
  serviceLogClientSecret: {
    key: "CCX_SERVICE_LOG_CLIENT_SECRET",
    schema: text,
    secret: true,
    description: "The secret of that account. Required with `CCX_SERVICE_LOG_URL`.",
  },
  serviceLogCreatedBy: {
    key: "CCX_SERVICE_LOG_CREATED_BY",
    schema: text,
    default: "service-account-ccx-notification-service",
    description: "`created_by` of an entry.",
  },
  serviceLogUsername: {
    key: "CCX_SERVICE_LOG_USERNAME",
    schema: text,
    default: "insights-advisor",
    description: "`username` of an entry.",
  },
  serviceLogRuleUrl: {
    key: "CCX_SERVICE_LOG_RULE_URL",
    schema: linkTemplate("cluster_id", "module", "error_key"),
    default: `${advisor}/recommendations/{module}|{error_key}`,
    description: "Link to a rule, in Service Log entries.",
  },
  serviceLogConnectTimeoutMs: {
    key: "CCX_SERVICE_LOG_CONNECT_TIMEOUT_MS",
    schema: count(1, 600_000, "milliseconds"),
    default: "3000",
    description: "Longest wait for a connection to Service Log, in milliseconds.",
  },
  serviceLogTimeoutMs: {
    key: "CCX_SERVICE_LOG_TIMEOUT_MS",
    schema: count(1, 600_000, "milliseconds"),
    default: "15000",
    description: "Longest wait for a whole answer of Service Log, in milliseconds.",
  },
  serviceLogMaxResponseBytes: {
    key: "CCX_SERVICE_LOG_MAX_RESPONSE_BYTES",
    schema: count(1, 100_000_000, "bytes"),
    default: "65536",
    description: "Largest answer of Service Log that is read, in bytes.",
  },
  serviceLogConcurrency: {
    key: "CCX_SERVICE_LOG_CONCURRENCY",
    schema: count(1, 1_000),
    default: "8",
    description: "Most requests to Service Log at the same time.",
  },
  contentUrl: {
    key: "CCX_CONTENT_URL",
    schema: webUrl,
    description:
      "Where a content service gives out what rules say; a worker asks it every five minutes. Unset: only `ccx content load`.",
  },
  contentAllowHttp: {
    key: "CCX_CONTENT_ALLOW_HTTP",
    schema: flag,
    default: "false",
    description: "Whether that may be plain `http://` on another machine: `true` or `false`.",
  },
  contentTimeoutMs: {
    key: "CCX_CONTENT_TIMEOUT_MS",
    schema: count(1, 600_000, "milliseconds"),
    default: "30000",
    description: "Longest wait for the whole answer of the content service, in milliseconds.",
  },
  batchSize: {
    key: "CCX_BATCH_SIZE",
    schema: count(1, 100_000, "messages"),
    default: "1000",
    description: "Most messages that go into the database in one call.",
  },
  deciders: {
    key: "CCX_DECIDERS",
    schema: count(1, 100),
    default: "2",
    description: "Most decisions (of 1,000 clusters each) that one process takes at the same time.",
  },
  catchUpSeconds: {
    key: "CCX_CATCH_UP_SECONDS",
    schema: count(0, 86400, "seconds"),
    default: "600",
    description:
      "Longest wait of a decision for the rest of a partition that is being caught up with, in seconds; 0: none.",
  },
  ingestStatementTimeoutMs: {
    key: "CCX_INGEST_STATEMENT_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "60000",
    description: "Longest time that one statement may take for storing a batch, in milliseconds; 0: none.",
  },
  ingestLockTimeoutMs: {
    key: "CCX_INGEST_LOCK_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "5000",
    description: "Longest wait for somebody else's lock for storing a batch, in milliseconds; 0: none.",
  },
  decideStatementTimeoutMs: {
    key: "CCX_DECIDE_STATEMENT_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "60000",
    description: "Longest time that one statement may take for a decision, in milliseconds; 0: none.",
  },
  decideLockTimeoutMs: {
    key: "CCX_DECIDE_LOCK_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "5000",
    description: "Longest wait for somebody else's lock for a decision, in milliseconds; 0: none.",
  },
  deliverStatementTimeoutMs: {
    key: "CCX_DELIVER_STATEMENT_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "60000",
    description:
      "Longest time that one statement may take for claiming or settling messages, in milliseconds; 0: none.",
  },
  deliverLockTimeoutMs: {
    key: "CCX_DELIVER_LOCK_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "5000",
    description:
      "Longest wait for somebody else's lock for claiming or settling messages, in milliseconds; 0: none.",
  },
  upkeepStatementTimeoutMs: {
    key: "CCX_UPKEEP_STATEMENT_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "600000",
    description:
      "Longest time that one statement may take for sweep, retention, content and retries, in milliseconds; 0: none.",
  },
  upkeepLockTimeoutMs: {
    key: "CCX_UPKEEP_LOCK_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "5000",
    description:
      "Longest wait for somebody else's lock for sweep, retention, content and retries, in milliseconds; 0: none.",
  },
  idleInTransactionTimeoutMs: {
    key: "CCX_IDLE_IN_TRANSACTION_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "60000",
    description:
      "Longest time that nothing may happen in a transaction of the service, in milliseconds; 0: none.",
  },
  httpPort: {
    key: "CCX_HTTP_PORT",
    schema: count(0, 65_535),
    default: "8080",
    description:
      "Port for `/metrics`, `/livez`, `/readyz`, `/version` and what is served; `0`: none is opened.",
  },
  httpHost: {
    key: "CCX_HTTP_HOST",
    schema: text,
    default: "127.0.0.1",
    description: "Address that it listens on: `0.0.0.0` or `::` for everybody, as in a container.",
  },
  consoleTokensFile: {
    key: "CCX_CONSOLE_TOKENS_FILE",
    schema: text,
    description: "File of the people who may use the console, one a line: hash of a token, name, role.",
  },
  consoleTrustedProxies: {
    key: "CCX_CONSOLE_TRUSTED_PROXIES",
    schema: text,
    description: "Addresses and networks of proxies that say who somebody is, separated by commas.",
  },
  consoleIdentityHeader: {
    key: "CCX_CONSOLE_IDENTITY_HEADER",
    schema: text,
    default: "x-rh-identity",
    description: "Header in which those proxies say it; any other than `x-rh-identity` holds the name.",
  },
  logLevel: {
    key: "CCX_LOG_LEVEL",
    schema: word(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
    default: "info",
    description: "How much is logged: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.",
  },
} as const satisfies Record<string, Key>;

export type ConfigName = keyof typeof keys;

/** The keys under their property names, without the literal types. */
export const keyList = Object.entries(keys) as [ConfigName, Key][];
