/**
 * What a key of theirs becomes: a key of ours, a setting of the target's policy, something that the command
 * itself does, or nothing, with the reason.
 */
export type Becomes = { ours: string } | { policy: string } | { command: string } | { none: string };

export type IncumbentKey = {
  /** section and name, as in their file */
  name: string;
  type: "text" | "flag" | "number" | "list" | "duration";
  /** what their shipped configuration has; counts where neither file nor environment says anything */
  default?: string;
  secret?: true;
  becomes: Becomes;
};

const ours = (key: string): Becomes => ({ ours: key });
const policy = (setting: string): Becomes => ({ policy: setting });
const command = (what: string): Becomes => ({ command: what });
const none = (reason: string): Becomes => ({ none: reason });

type Row = [name: string, type: IncumbentKey["type"], fallback: string, becomes: Becomes, secret?: "secret"];

const keysOf = (section: string, rows: Row[]): IncumbentKey[] =>
  rows.map(([name, type, fallback, becomes, secret]) => ({
    name: `${section}.${name}`,
    type,
    ...(fallback !== "" && { default: fallback }),
    ...(secret && { secret: true as const }),
    becomes,
  }));

const toStdout = "logs are JSON on stdout; whoever runs the container forwards them";

const logging = (level: string): Row[] => [
  ["debug", "flag", "false", command("prints lines for people instead of JSON")],
  ["use_stderr", "flag", "false", command("writes the log to stderr")],
  ["log_level", "text", level, ours("CCX_LOG_LEVEL")],
  ["logging_to_cloud_watch_enabled", "flag", "false", none(toStdout)],
  ["logging_to_sentry_enabled", "flag", "false", none(toStdout)],
];

const cloudwatch: Row[] = [
  ["aws_access_id", "text", "", none(toStdout), "secret"],
  ["aws_secret_key", "text", "", none(toStdout), "secret"],
  ["aws_session_token", "text", "", none(toStdout), "secret"],
  ["aws_region", "text", "", none(toStdout)],
  ["log_group", "text", "", none(toStdout)],
  ["stream_name", "text", "", none(toStdout)],
  ["debug", "flag", "false", none(toStdout)],
];

const sentry: Row[] = [
  ["dsn", "text", "", none(toStdout), "secret"],
  ["environment", "text", "", none(toStdout)],
];

const storage = (becomes: Becomes, database: string, host = "localhost"): Row[] => [
  ["db_driver", "text", "postgres", none("there is PostgreSQL only; anything else is refused, as by theirs")],
  ["pg_username", "text", database && "postgres", becomes],
  ["pg_password", "text", database && "postgres", becomes, "secret"],
  ["pg_host", "text", database && host, becomes],
  ["pg_port", "number", "5432", becomes],
  ["pg_db_name", "text", database, becomes],
  ["pg_params", "text", database && "sslmode=disable", becomes],
  ["log_sql_queries", "flag", "false", none("theirs prints the setting and does nothing with it")],
];

const broker: Row[] = [
  ["security_protocol", "text", "", ours("CCX_KAFKA_TLS")],
  ["cert_path", "text", "", ours("CCX_KAFKA_CA_FILE")],
  ["sasl_mechanism", "text", "", ours("CCX_KAFKA_SASL_MECHANISM")],
  ["sasl_username", "text", "", ours("CCX_KAFKA_SASL_USERNAME")],
  ["sasl_password", "text", "", ours("CCX_KAFKA_SASL_PASSWORD"), "secret"],
];

const thresholds = (totalRisk: string, tagFilter: string, tags: string): Row[] => [
  ["likelihood_threshold", "number", "0", policy("likelihood_threshold")],
  ["impact_threshold", "number", "0", policy("impact_threshold")],
  ["severity_threshold", "number", "0", policy("severity_threshold")],
  ["total_risk_threshold", "number", totalRisk, policy("total_risk_threshold")],
  ["event_filter", "text", "totalRisk >= totalRiskThreshold", policy("filter")],
  ["tag_filter_enabled", "flag", tagFilter, policy("required_tags")],
  ["tags", "list", tags, policy("required_tags")],
  ["cooldown", "text", "1 week", policy("cooldown")],
];

const details = "https://console.redhat.com/openshift/details/{cluster_id}";

/** Every key of ccx-notification-service. */
export const serviceKeys: readonly IncumbentKey[] = [
  ...keysOf("logging", logging("info")),
  ...keysOf("sentry", sentry),
  ...keysOf("cloudwatch", cloudwatch),
  ...keysOf("storage", storage(ours("DATABASE_URL"), "notification")),
  ...keysOf(
    "aggregator_storage",
    storage(command("reads which rules are disabled, unless --ignore-disabled-rules"), "aggregator"),
  ),
  ...keysOf("kafka_broker", [
    ["enabled", "flag", "true", command("chooses the target: notifications backend")],
    ["addresses", "text", "kafka:29092", ours("KAFKA_BROKERS")],
    ...broker,
    ["topic", "text", "platform.notifications.ingress", ours("CCX_NOTIFICATIONS_TOPIC")],
    ["timeout", "duration", "60s", none("theirs never uses it; ours has time limits of its own")],
    ...thresholds("2", "false", ""),
  ]),
  ...keysOf("service_log", [
    ["enabled", "flag", "false", command("chooses the target: service log")],
    ["client_id", "text", "", ours("CCX_SERVICE_LOG_CLIENT_ID")],
    ["client_secret", "text", "", ours("CCX_SERVICE_LOG_CLIENT_SECRET"), "secret"],
    ["created_by", "text", "service-account-ccx-notification-service", ours("CCX_SERVICE_LOG_CREATED_BY")],
    ["username", "text", "insights-advisor", ours("CCX_SERVICE_LOG_USERNAME")],
    ["token_url", "text", "", ours("CCX_SERVICE_LOG_TOKEN_URL")],
    [
      "url",
      "text",
      "https://api.openshift.com/api/service_logs/v1/cluster_logs/",
      ours("CCX_SERVICE_LOG_URL"),
    ],
    ["timeout", "duration", "15s", ours("CCX_SERVICE_LOG_TIMEOUT_MS")],
    [
      "rule_details_uri",
      "text",
      "https://console.redhat.com/openshift/insights/advisor/recommendations/{module}|{error_key}",
      ours("CCX_SERVICE_LOG_RULE_URL"),
    ],
    ...thresholds("0", "true", "osd_customer"),
  ]),
  ...keysOf("dependencies", [
    ["content_server", "text", "localhost:8082", ours("CCX_CONTENT_URL")],
    ["content_endpoint", "text", "/api/v1/content", ours("CCX_CONTENT_URL")],
    ["template_renderer_server", "text", "", command("asks it for texts; unset: texts are made here")],
    ["template_renderer_endpoint", "text", "/v1/rendered_reports", command("where it answers")],
  ]),
  ...keysOf("notifications", [
    ["insights_advisor_url", "text", "", none("theirs does not use it since weekly reports are gone")],
    ["cluster_details_uri", "text", `${details}#insights`, ours("CCX_CLUSTER_URL")],
    ["rule_details_uri", "text", `${details}/insights/{module}/{error_key}`, ours("CCX_RULE_URL")],
  ]),
  ...keysOf("metrics", [
    ["job_name", "text", "ccx_notification_service", command("the job at the push gateway")],
    ["namespace", "text", "ccx_notification_service", command("the first part of metrics' names")],
    ["subsystem", "text", "to_notification_backend", command("the second part of metrics' names")],
    ["gateway_url", "text", "localhost:9091", command("where metrics are pushed")],
    ["gateway_auth_token", "text", "", command("who pushes; unset: nothing is pushed"), "secret"],
    ["retries", "number", "3", command("how often a push is tried again")],
    ["retry_after", "duration", "60s", command("how long it waits for that")],
    ["gateway_time_between_push", "duration", "30s", command("how often metrics are pushed meanwhile")],
  ]),
  ...keysOf("cleaner", [["max_age", "text", "90 days", command("the age for clean-ups without --max-age")]]),
  ...keysOf("processing", [
    ["filter_allowed_clusters", "flag", "false", policy("allowed_clusters")],
    ["allowed_clusters", "list", "", policy("allowed_clusters")],
    ["filter_blocked_clusters", "flag", "false", policy("blocked_clusters")],
    ["blocked_clusters", "list", "", policy("blocked_clusters")],
  ]),
];

/** Every key of ccx-notification-writer. */
export const writerKeys: readonly IncumbentKey[] = [
  ...keysOf("broker", [
    ["addresses", "text", "", ours("KAFKA_BROKERS")],
    ...broker,
    ["topic", "text", "", ours("CCX_RESULTS_TOPIC")],
    ["group", "text", "", ours("CCX_CONSUMER_GROUP")],
    ["enabled", "flag", "false", command("false: ends at once, with exit code 0")],
    [
      "disable_api_versions_request",
      "flag",
      "false",
      none("brokers without that request are older than any that is supported"),
    ],
  ]),
  ...keysOf("storage", storage(ours("DATABASE_URL"), "")),
  ...keysOf("logging", logging("")),
  ...keysOf("cloudwatch", cloudwatch),
  ...keysOf("sentry", sentry),
  ...keysOf("metrics", [
    ["namespace", "text", "", command("the first part of metrics' names")],
    ["address", "text", "", ours("CCX_HTTP_PORT")],
  ]),
  ...keysOf("tracker", [
    ["topic", "text", "", ours("CCX_TRACKER_TOPIC")],
    ["service_name", "text", "ccx-notification-writer", ours("CCX_TRACKER_SERVICE")],
  ]),
];

const allowList = "an organization that is not wanted is kept away where its results are published";

/** Every key of insights-results-aggregator. */
export const aggregatorKeys: readonly IncumbentKey[] = [
  ...keysOf("broker", [
    ["addresses", "text", "", ours("KAFKA_BROKERS")],
    ...broker,
    ["topic", "text", "", ours("CCX_RESULTS_TOPIC")],
    ["group", "text", "", ours("CCX_CONSUMER_GROUP")],
    ["payload_tracker_topic", "text", "", ours("CCX_TRACKER_TOPIC")],
    ["service_name", "text", "insights-results-db-writer", ours("CCX_TRACKER_SERVICE")],
    ["dead_letter_queue_topic", "text", "", ours("CCX_DEAD_LETTER_TOPIC")],
    ["enabled", "flag", "false", command("true: consumes results as well; false: only answers")],
    ["org_allowlist_enabled", "flag", "false", command(`true is refused: ${allowList}`)],
    ["timeout", "duration", "", none("ours has time limits of its own")],
  ]),
  ...keysOf("server", [
    ["address", "text", ":8080", ours("CCX_HTTP_PORT")],
    ["api_prefix", "text", "/api/v1/", ours("CCX_AGGREGATOR_PREFIX")],
    ["api_spec_file", "text", "", none("the document is made of what is served")],
    ["debug", "flag", "false", ours("CCX_AGGREGATOR_DEBUG")],
    ["auth", "flag", "true", ours("CCX_AGGREGATOR_AUTH")],
    ["auth_type", "text", "xrh", none("x-rh-identity is read, and bearer tokens are, always")],
    ["maximum_feedback_message_length", "number", "255", none("255 bytes, as their table has it")],
    ["org_overview_limit_hours", "number", "", none("clusters count as long as their newest report is kept")],
  ]),
  ...keysOf("processing", [["org_allowlist_file", "text", "", none(allowList)]]),
  ...keysOf("storage_backend", [
    ["use", "text", "ocp_recommendations", command("anything but ocp_recommendations is refused")],
  ]),
  ...keysOf("ocp_recommendations_storage", [
    ...storage(ours("DATABASE_URL"), ""),
    ["type", "text", "sql", none("results are in PostgreSQL, requests for single uploads, too")],
  ]),
  ...keysOf("dvo_recommendations_storage", storage(none("one database has everything"), "")),
  ...keysOf("redis", [
    ["database", "number", "0", none("requests for single uploads are answered from PostgreSQL")],
    ["endpoint", "text", "", none("requests for single uploads are answered from PostgreSQL")],
    ["password", "text", "", none("requests for single uploads are answered from PostgreSQL"), "secret"],
    ["timeout_seconds", "number", "30", none("requests for single uploads are answered from PostgreSQL")],
  ]),
  ...keysOf("logging", logging("")),
  ...keysOf("cloudwatch", cloudwatch),
  ...keysOf("sentry", sentry),
  ...keysOf("metrics", [["namespace", "text", "", command("the first part of metrics' names")]]),
];

export type Program = "service" | "writer" | "aggregator";

/** What each of them is: its name, its keys, and how its variables in the environment begin. */
export const programs = {
  service: {
    name: "ccx-notification-service",
    prefix: "CCX_NOTIFICATION_SERVICE",
    keys: serviceKeys,
  },
  writer: { name: "ccx-notification-writer", prefix: "CCX_NOTIFICATION_WRITER", keys: writerKeys },
  aggregator: {
    name: "insights-results-aggregator",
    prefix: "INSIGHTS_RESULTS_AGGREGATOR",
    keys: aggregatorKeys,
  },
} as const satisfies Record<Program, { name: string; prefix: string; keys: readonly IncumbentKey[] }>;

/** A key's name in the environment: `storage.pg_host` → `CCX_NOTIFICATION_WRITER__STORAGE__PG_HOST`. */
export const variableOf = (program: Program, name: string): string =>
  `${programs[program].prefix}__${name.toUpperCase().replaceAll(".", "__").replaceAll("-", "_")}`;
