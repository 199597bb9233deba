import { ConfigurationError, messageOf } from "../errors.ts";

/** No connection comes about until a person has changed login or TLS, here or at the brokers. */
export class ConnectionRefused extends ConfigurationError {}

/** An error and what caused it, outermost first: kafkajs wraps what it gives up. */
function* causes(error: unknown): Generator<Error> {
  for (let depth = 0; error instanceof Error && depth < 10; depth++) {
    yield error;
    error = error.cause;
  }
}

function textOf(error: Error, property: "type" | "code"): string {
  return property in error ? String((error as unknown as Record<string, unknown>)[property]) : "";
}

/**
 * What a person has to change so that Kafka lets us in, as one line; undefined when that is not the trouble.
 * Covers a refused login, missing permissions, and TLS that the two sides do not agree on.
 */
export function kafkaConfigurationError(error: unknown): ConfigurationError | undefined {
  for (const cause of causes(error)) {
    if (cause instanceof ConfigurationError) return cause;
    const type = textOf(cause, "type");
    const code = textOf(cause, "code");
    let problem: string | undefined;
    let isRefused = true;
    if (cause.name === "KafkaJSSASLAuthenticationError" || type === "SASL_AUTHENTICATION_FAILED") {
      problem = "Kafka refuses the login: check CCX_KAFKA_SASL_USERNAME and CCX_KAFKA_SASL_PASSWORD";
    } else if (type === "UNSUPPORTED_SASL_MECHANISM") {
      problem = "Kafka does not offer this way to log in: check CCX_KAFKA_SASL_MECHANISM";
    } else if (type === "ILLEGAL_SASL_STATE") {
      problem = "Kafka asks for no login here: check CCX_KAFKA_SASL_MECHANISM and the ports in KAFKA_BROKERS";
    } else if (type.endsWith("_AUTHORIZATION_FAILED")) {
      isRefused = false;
      problem = "Kafka does not permit this: the user needs more rights, or the name is wrong";
    } else if (/^(ERR_TLS_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(GET|VERIFY)_)/.test(code)) {
      problem = "The brokers' certificate is not trusted: check CCX_KAFKA_CA_FILE and KAFKA_BROKERS";
    } else if (/^ERR_SSL_.*_ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|HANDSHAKE_FAILURE)/.test(code)) {
      problem = "The brokers do not accept our certificate: check CCX_KAFKA_CERT_FILE and CCX_KAFKA_KEY_FILE";
    } else if (/^(EPROTO|ERR_SSL_)/.test(code)) {
      problem = "The brokers do not answer with TLS: check CCX_KAFKA_TLS and the ports in KAFKA_BROKERS";
    }
    if (problem !== undefined)
      return new (isRefused ? ConnectionRefused : ConfigurationError)(`${problem} (${messageOf(cause)}).`, {
        cause: error,
      });
  }
  return undefined;
}

const programmingErrors = new Set(["TypeError", "RangeError", "ReferenceError", "SyntaxError"]);

/**
 * Whether it, or what caused it, is an error of the language: kafkajs was given something that it cannot
 * handle.
 */
export function isProgrammingError(error: unknown): boolean {
  return [...causes(error)].some(({ name }) => programmingErrors.has(name));
}

/** Whether the broker says that there is no such topic. */
export function isTopicMissing(error: unknown): boolean {
  return [...causes(error)].some((cause) => textOf(cause, "type") === "UNKNOWN_TOPIC_OR_PARTITION");
}
