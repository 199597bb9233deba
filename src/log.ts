import { type DestinationStream, type LevelWithSilent, type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger };

/**
 * What must not be in a log line. Nothing logs these on purpose; this is for the line that does by accident.
 */
const secretNames = [
  ...["password", "clientSecret", "client_secret", "access_token", "accessToken", "token", "authorization"],
  ...["Authorization", "databaseUrl", "connectionString", "kafkaSaslPassword", "serviceLogClientSecret"],
  ...["DATABASE_URL", "CCX_KAFKA_SASL_PASSWORD", "CCX_SERVICE_LOG_CLIENT_SECRET"],
];

/** What each line is given besides: the trace that it belongs to. */
let more: (() => object) | undefined;

/** Has each line that is written from now on say more; undefined: no more. */
export function addToLines(given: (() => object) | undefined): void {
  more = given;
}

/**
 * The process's logger: one JSON object a line, to stdout unless another destination is given.
 * `level` and below are written; `time` is ISO 8601 in UTC, `level` a word. `messageKey`: where the text is.
 */
export function createLogger(
  level: LevelWithSilent,
  destination?: DestinationStream,
  messageKey = "msg",
): Logger {
  const options = {
    level,
    messageKey,
    base: { service: "ccx-notifications" },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => more?.() ?? {},
    redact: {
      paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]),
      censor: "***",
    },
  };
  return destination ? pino(options, destination) : pino(options);
}
