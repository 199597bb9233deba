import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
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
  | "kafkaSaslMechanism"
  | "kafkaSaslUsername"
  | "kafkaSaslPassword"
> & { readonly kafkaBrokers: readonly string[] };

/**
 * The way to Kafka; nothing is sent before a consumer, producer or admin client connects.
 * `retries`: how often it tries again before it gives up.
 * Throws ConfigurationError when the CA file is of no use.
 */
export function createKafka(settings: KafkaSettings, logger: Logger, retries = 5): Kafka {
  const sasl = saslOf(settings);
  const options: KafkaConfig = {
    brokers: [...settings.kafkaBrokers],
    clientId: settings.kafkaClientId,
    ssl:
      settings.kafkaTls &&
      (settings.kafkaCaFile === undefined || { ca: readCertificates(settings.kafkaCaFile) }),
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

function readCertificates(path: string): string {
  try {
    const certificates = readFileSync(path, "utf8");
    new X509Certificate(certificates); // throws when the first is none
    return certificates;
  } catch (error) {
    throw new ConfigurationError(`CCX_KAFKA_CA_FILE names no file with certificates: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}
