import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from "kafkajs";
import type { Config } from "../config/config.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { kafkaLogCreator, kafkaLogLevel } from "./kafka_log.ts";

/** What of the configuration says how to reach Kafka. */
export type KafkaSettings = Pick<
  Config,
  | "kafkaClientId"
  | "kafkaTls"
  | "kafkaCaFile"
  | "kafkaCertFile"
  | "kafkaKeyFile"
  | "kafkaSaslMechanism"
  | "kafkaSaslUsername"
  | "kafkaSaslPassword"
> & { readonly kafkaBrokers: readonly string[] };

/**
 * The way to Kafka; nothing is sent before a consumer, producer or admin client connects.
 * `retries`: how often it tries again before it gives up.
 * Throws ConfigurationError when a file with certificates or the key is of no use.
 */
export function createKafka(settings: KafkaSettings, logger: Logger, retries = 5): Kafka {
  const sasl = saslOf(settings);
  const options: KafkaConfig = {
    brokers: [...settings.kafkaBrokers],
    clientId: settings.kafkaClientId,
    ssl: settings.kafkaTls && tlsOf(settings),
    connectionTimeout: 5_000, // kafkajs' second is short for TLS to a far broker
    authenticationTimeout: 10_000,
    requestTimeout: 30_000,
    retry: { retries, initialRetryTime: 300, maxRetryTime: 10_000 },
    logLevel: kafkaLogLevel(logger),
    logCreator: kafkaLogCreator(logger),
  };
  return new kafkajs.Kafka(sasl ? { ...options, sasl } : options);
}

function saslOf({
  kafkaSaslMechanism,
  kafkaSaslUsername,
  kafkaSaslPassword,
}: KafkaSettings): SASLOptions | undefined {
  if (kafkaSaslMechanism === undefined) return undefined;
  return {
    mechanism: kafkaSaslMechanism,
    username: kafkaSaslUsername ?? "",
    password: kafkaSaslPassword ?? "",
  } as SASLOptions;
}

function tlsOf({ kafkaCaFile, kafkaCertFile, kafkaKeyFile }: KafkaSettings): ConnectionOptions | true {
  const options: ConnectionOptions = {};
  if (kafkaCaFile !== undefined) options.ca = readCertificates("CCX_KAFKA_CA_FILE", kafkaCaFile);
  if (kafkaCertFile !== undefined && kafkaKeyFile !== undefined) {
    options.cert = readCertificates("CCX_KAFKA_CERT_FILE", kafkaCertFile);
    options.key = readKey(kafkaKeyFile, new X509Certificate(options.cert));
  }
  return Object.keys(options).length === 0 || options;
}

function readCertificates(key: string, path: string): string {
  try {
    const certificates = readFileSync(path, "utf8");
    new X509Certificate(certificates); // throws when the first is none
    return certificates;
  } catch (error) {
    throw new ConfigurationError(`${key} names no file with certificates: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/** Without the check, a key of another certificate would show as brokers that are away. */
function readKey(path: string, certificate: X509Certificate): string {
  try {
    const key = readFileSync(path, "utf8");
    if (certificate.checkPrivateKey(createPrivateKey(key))) return key;
  } catch (error) {
    throw new ConfigurationError(`CCX_KAFKA_KEY_FILE names no file with a key: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  throw new ConfigurationError(
    "CCX_KAFKA_KEY_FILE is not the key of the certificate in CCX_KAFKA_CERT_FILE.",
  );
}
