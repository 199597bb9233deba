import type { z } from "zod";
import {
  brokers,
  bucket,
  bytesByName,
  cellName,
  count,
  flag,
  hosts,
  linkTemplate,
  names,
  networks,
  organizations,
  pathPrefix,
  postgresUrl,
  pythonNames,
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
      "The same database without a pooler (PgBouncer) in between, where `DATABASE_URL` has one; used in " +
      "its place.",
  },
  databaseReadUrl: {
    key: "CCX_DATABASE_READ_URL",
    schema: postgresUrl,
    secret: true,
    description:
      "A standby of the database, for what people and clients only ask: `ccx explain` and its like, the " +
      "results API, the console. Without it the primary answers.",
  },
  databaseReadMaxAgeSeconds: {
    key: "CCX_DATABASE_READ_MAX_AGE_SECONDS",
    schema: count(1, 3_600),
    default: "30",
    description: "How old an answer of the standby may be; while it is older, or away, the primary answers.",
  },
  databasePoolSize: {
    key: "CCX_DATABASE_POOL_SIZE",
    // one listens, one for each of the seven tasks and one for a second decider, two for the consumer's
    // partitions, one to spare: or for a partition of workloads, which can wait
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
  cell: {
    key: "CCX_CELL",
    schema: cellName,
    description:
      "Which cell the database is, where there are several; the consumer group ends in it. Unset: the " +
      "only one.",
  },
  workloadsTopic: {
    key: "CCX_WORKLOADS_TOPIC",
    schema: topic,
    description:
      "The topic that recommendations about workloads are read from (`ccx.dvo.results`). Unset: none are.",
  },
  workloadsGroup: {
    key: "CCX_WORKLOADS_GROUP",
    schema: text,
    default: "ccx_workloads",
    description: "The consumer group that reads it; another one than that of the results.",
  },
  announcementsTopic: {
    key: "CCX_ANNOUNCEMENTS_TOPIC",
    schema: topic,
    default: "platform.upload.announce",
    description: "The topic that says which archives were uploaded.",
  },
  analyzeGroup: {
    key: "CCX_ANALYZE_GROUP",
    schema: text,
    default: "ccx_analyze",
    description: "The consumer group that reads it.",
  },
  archiveHosts: {
    key: "CCX_ARCHIVE_HOSTS",
    schema: hosts,
    default: "localhost,127.0.0.1,[::1]",
    description:
      "Where archives may be fetched from, separated by commas: `host`, `host:port`, `*.domain`; " +
      "`http://host` without TLS.",
  },
  archiveTimeoutMs: {
    key: "CCX_ARCHIVE_TIMEOUT_MS",
    schema: count(1, 120_000, "milliseconds"),
    default: "30000",
    description: "Longest time for an archive to be fetched and unpacked, in milliseconds.",
  },
  archiveMaxBytes: {
    key: "CCX_ARCHIVE_MAX_BYTES",
    schema: count(1, 2_000_000_000, "bytes"),
    default: "104857600",
    description: "Largest archive that is fetched, in bytes.",
  },
  archiveMaxUnpackedBytes: {
    key: "CCX_ARCHIVE_MAX_UNPACKED_BYTES",
    schema: count(1, 2_000_000_000, "bytes"),
    default: "67108864",
    description: "Most bytes that an archive may unpack to.",
  },
  archiveMaxEntries: {
    key: "CCX_ARCHIVE_MAX_ENTRIES",
    schema: count(1, 1_000_000),
    default: "10000",
    description: "Most files and folders in an archive.",
  },
  analyzers: {
    key: "CCX_ANALYZERS",
    schema: count(1, 100),
    default: "4",
    description:
      "Most archives that one process analyzes at the same time; each has a connection of its own.",
  },
  ruleTimeoutMs: {
    key: "CCX_RULE_TIMEOUT_MS",
    schema: count(1, 60_000, "milliseconds"),
    default: "2000",
    description: "Longest time for one rule, in milliseconds.",
  },
  rulesTimeoutMs: {
    key: "CCX_RULES_TIMEOUT_MS",
    schema: count(1, 60_000, "milliseconds"),
    default: "10000",
    description:
      "Longest time for all rules on one archive together, in milliseconds; then each runs by itself, and " +
      "the slow ones are left out.",
  },
  rulesPython: {
    key: "CCX_RULES_PYTHON",
    schema: pythonNames,
    description:
      "Python packages with rules for insights-core, separated by commas. Unset: only SQL rules run. The " +
      "same in all processes.",
  },
  python: {
    key: "CCX_PYTHON",
    schema: text,
    default: "python3",
    description: "The interpreter that has insights-core and these packages.",
  },
  pythonMaxMemoryBytes: {
    key: "CCX_PYTHON_MAX_MEMORY_BYTES",
    schema: count(100_000_000, 100_000_000_000, "bytes"),
    default: "1073741824",
    description: "Most memory of one Python process, in bytes.",
  },
  keepArchivesPerHour: {
    key: "CCX_KEEP_ARCHIVES_PER_HOUR",
    schema: count(0, 1_000_000),
    default: "6",
    description: "So many archives an hour are kept with their documents, to try rules on.",
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
  trackerTopic: {
    key: "CCX_TRACKER_TOPIC",
    schema: topic,
    description:
      "The topic that gets the status of each consumed message, for the payload tracker. Unset: it gets " +
      "none.",
  },
  trackerService: {
    key: "CCX_TRACKER_SERVICE",
    schema: text,
    default: "ccx-notifications",
    description: "The name of this service in those messages.",
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
      "Where a content service gives out what rules say; a worker asks it every five minutes. Unset: only " +
      "`ccx content load`.",
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
  registryUrl: {
    key: "CCX_REGISTRY_URL",
    schema: secureUrl,
    description:
      "Where the registry of clusters is given out as CSV; a worker asks it every five minutes. Unset: " +
      "only `ccx registry load`.",
  },
  registryToken: {
    key: "CCX_REGISTRY_TOKEN",
    schema: text,
    secret: true,
    description: "The bearer token for that. Unset: it is asked without one.",
  },
  registryTimeoutMs: {
    key: "CCX_REGISTRY_TIMEOUT_MS",
    schema: count(1, 600_000, "milliseconds"),
    default: "60000",
    description: "Longest wait for the whole registry of clusters, in milliseconds.",
  },
  upload: {
    key: "CCX_UPLOAD",
    schema: flag,
    default: "true",
    description:
      "Whether `ccx serve` and `ccx run` take uploads: `true` or `false`. Whoever reaches them is believed.",
  },
  uploadServices: {
    key: "CCX_UPLOAD_SERVICES",
    schema: names,
    default: "advisor,openshift",
    description: "Services whose archives are taken, separated by commas.",
  },
  uploadMaxBytes: {
    key: "CCX_UPLOAD_MAX_BYTES",
    schema: count(1, 10_000_000_000, "bytes"),
    default: "104857600",
    description: "Largest archive that is taken, in bytes.",
  },
  uploadMaxBytesByService: {
    key: "CCX_UPLOAD_MAX_BYTES_BY_SERVICE",
    schema: bytesByName,
    description: "The same for single services: `service=bytes`, separated by commas.",
  },
  uploadDeniedOrgs: {
    key: "CCX_UPLOAD_DENIED_ORGS",
    schema: names,
    description: "Organizations whose uploads are refused, separated by commas.",
  },
  uploadConcurrency: {
    key: "CCX_UPLOAD_CONCURRENCY",
    schema: count(1, 10_000),
    default: "256",
    description: "Most uploads that one process takes at the same time; more are asked to come back.",
  },
  payloadStatusTopic: {
    key: "CCX_PAYLOAD_STATUS_TOPIC",
    schema: topic,
    default: "platform.payload-status",
    description: "The topic that says where each upload is.",
  },
  archiveStore: {
    key: "CCX_ARCHIVE_STORE",
    schema: word(["database", "folder", "s3"]),
    default: "database",
    description: "Where archives are kept: `database`, `folder` or `s3`; the same for every process.",
  },
  archiveFolder: {
    key: "CCX_ARCHIVE_FOLDER",
    schema: text,
    description: "The folder of the store `folder`; every process has to see it.",
  },
  archiveS3Endpoint: {
    key: "CCX_ARCHIVE_S3_ENDPOINT",
    schema: webUrl,
    description: "Where the store `s3` answers. Unset: Amazon's own, by the region.",
  },
  archiveS3Region: {
    key: "CCX_ARCHIVE_S3_REGION",
    schema: text,
    default: "us-east-1",
    description: "The region of the store `s3`.",
  },
  archiveS3Bucket: {
    key: "CCX_ARCHIVE_S3_BUCKET",
    schema: bucket,
    description: "The bucket of the store `s3`; it may hold other things besides.",
  },
  archiveS3PathStyle: {
    key: "CCX_ARCHIVE_S3_PATH_STYLE",
    schema: flag,
    default: "false",
    description:
      "Whether the bucket is written in the path of a URL, not before its host: `true` or `false`.",
  },
  archiveS3AccessKeyId: {
    key: "CCX_ARCHIVE_S3_ACCESS_KEY_ID",
    schema: text,
    description: "The access key of the store `s3`. Unset: where the AWS SDK looks by itself.",
  },
  archiveS3SecretAccessKey: {
    key: "CCX_ARCHIVE_S3_SECRET_ACCESS_KEY",
    schema: text,
    secret: true,
    description: "The secret of that key. Required with `CCX_ARCHIVE_S3_ACCESS_KEY_ID`.",
  },
  archiveBaseUrl: {
    key: "CCX_ARCHIVE_BASE_URL",
    schema: webUrl,
    description:
      "Where consumers reach a process that takes uploads, for the stores `database` and `folder`. Unset: " +
      "this machine, at `CCX_HTTP_PORT`.",
  },
  archiveUrlSeconds: {
    key: "CCX_ARCHIVE_URL_SECONDS",
    schema: count(60, 604_800, "seconds"),
    default: "86400",
    description: "How long the URL of an announcement is valid, in seconds.",
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
      "Longest wait of a decision for the rest of a partition that is being caught up with, in seconds; " +
      "0: none.",
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
      "Longest time that one statement may take for sweep, retention, content, surveys and retries, in " +
      "milliseconds; 0: none.",
  },
  upkeepLockTimeoutMs: {
    key: "CCX_UPKEEP_LOCK_TIMEOUT_MS",
    schema: count(0, 1_000_000_000, "milliseconds"),
    default: "5000",
    description:
      "Longest wait for somebody else's lock for sweep, retention, content, surveys and retries, in " +
      "milliseconds; 0: none.",
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
  httpCertFile: {
    key: "CCX_HTTP_CERT_FILE",
    schema: text,
    description: "File with the server's certificate (PEM). With it, that port speaks TLS only. Needs a key.",
  },
  httpKeyFile: {
    key: "CCX_HTTP_KEY_FILE",
    schema: text,
    description: "File with the private key of that certificate (PEM, without a passphrase).",
  },
  httpClientCaFile: {
    key: "CCX_HTTP_CLIENT_CA_FILE",
    schema: text,
    description:
      "File with the gateways' authority (PEM): the results API believes the `x-rh-identity` of whoever " +
      "shows a certificate of it. Needs the server's.",
  },
  resultsApi: {
    key: "CCX_RESULTS_API",
    schema: word(["public", "aggregator"]),
    default: "public",
    description:
      "What the results API serves: the `public` paths, or those of the `aggregator` for a smart proxy in " +
      "front of it.",
  },
  aggregatorPrefix: {
    key: "CCX_AGGREGATOR_PREFIX",
    schema: pathPrefix,
    default: "/api/v1",
    description: "Where the aggregator's paths begin.",
  },
  aggregatorAuth: {
    key: "CCX_AGGREGATOR_AUTH",
    schema: flag,
    default: "true",
    description:
      "Whether a request for the aggregator's paths needs an identity. `false`: one of a trusted peer " +
      "that has none is for the organization in its path.",
  },
  aggregatorDebug: {
    key: "CCX_AGGREGATOR_DEBUG",
    schema: flag,
    default: "false",
    description:
      "Whether the aggregator's paths for debugging are served, too: `organizations` and `get_vote`.",
  },
  resultsTrustedPeers: {
    key: "CCX_RESULTS_TRUSTED_PEERS",
    schema: networks,
    default: "127.0.0.0/8,::1/128",
    description:
      "Networks of the gateways whose `x-rh-identity` the results API believes, separated by commas; by " +
      "default only this machine.",
  },
  resultsInternalOrganizations: {
    key: "CCX_RESULTS_INTERNAL_ORGANIZATIONS",
    schema: organizations,
    default: "none",
    description:
      "Organizations that the results API shows the vendor's own (internal) rules, separated by commas; " +
      "`none`: none.",
  },
  resultsPoolSize: {
    key: "CCX_RESULTS_POOL_SIZE",
    schema: count(1, 1_000),
    default: "8",
    description: "Most connections that the results API of one process keeps open to the database.",
  },
  resultsTimeoutMs: {
    key: "CCX_RESULTS_TIMEOUT_MS",
    schema: count(1, 600_000, "milliseconds"),
    default: "10000",
    description:
      "Longest time that the database may take for one answer of the results API, in milliseconds.",
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
