import type { Pool } from "pg";
import { type Config, requireKeys } from "../../config/config.ts";
import type { RenderedNotification } from "../../deliver/claimed.ts";
import { NotificationsBackend } from "../../deliver/notifications_backend/target.ts";
import type { Outcome } from "../../deliver/outbox.ts";
import { AccessTokenSource } from "../../deliver/service_log/access_token.ts";
import { ServiceLogClient } from "../../deliver/service_log/client.ts";
import { ServiceLogTarget } from "../../deliver/service_log/target.ts";
import type { Target } from "../../deliver/target.ts";
import { messageOf } from "../../errors.ts";
import { createKafka } from "../../kafka/client.ts";
import { registerCodecs } from "../../kafka/codecs.ts";
import { createProducer } from "../../kafka/producer.ts";
import type { Logger } from "../../log.ts";
import { endingWith } from "../ended.ts";
import type { PassMetrics } from "./metrics.ts";
import { RenderingTarget } from "./rendering_target.ts";

/** A job that runs every few minutes does not wait long for a broker. */
const retries = 2;

/** The way to Kafka, tried: exit code 5 when no broker answers. */
export async function openKafka(config: Config, log: Logger): Promise<Target> {
  requireKeys(config, ["kafkaBrokers"]);
  registerCodecs();
  const kafka = createKafka(config, log, retries);
  const admin = kafka.admin();
  await endingWith(5, "Kafka cannot be reached", async () => {
    try {
      await admin.connect();
      const topic = config.notificationsTopic;
      if (!(await admin.listTopics()).includes(topic)) await createTopic(admin, topic, log);
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  });
  return new NotificationsBackend(createProducer(kafka), config.notificationsTopic, config);
}

/** The incumbent's producer makes the topic, if the broker permits; messages wait where it does not. */
async function createTopic(
  admin: ReturnType<ReturnType<typeof createKafka>["admin"]>,
  topic: string,
  log: Logger,
): Promise<void> {
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: -1, replicationFactor: -1 }] });
    log.info({ topic }, "the topic was missing and is there now");
  } catch (error) {
    log.warn({ topic, error: messageOf(error) }, "the topic is missing and could not be created");
  }
}

/** The way to the Service Log, with a token: exit code 11 when there is none. */
export async function openServiceLog(
  config: Config,
  options: { rendererUrl: string | undefined; pool: Pool; log: Logger },
): Promise<Target> {
  requireKeys(config, ["serviceLogUrl", "serviceLogClientId", "serviceLogClientSecret"]);
  const limits = {
    connectTimeoutMs: config.serviceLogConnectTimeoutMs,
    timeoutMs: config.serviceLogTimeoutMs,
    maxResponseBytes: config.serviceLogMaxResponseBytes,
  };
  const tokens = new AccessTokenSource({
    ...limits,
    tokenUrl: config.serviceLogTokenUrl,
    clientId: config.serviceLogClientId,
    clientSecret: config.serviceLogClientSecret,
  });
  await endingWith(11, "no access token for Service Log", async () => {
    try {
      await tokens.get();
    } catch (error) {
      await tokens.close();
      throw error;
    }
  });
  const target = new ServiceLogTarget({
    client: new ServiceLogClient({ ...limits, url: config.serviceLogUrl, tokens }),
    tokens,
    entry: {
      ruleUrl: config.serviceLogRuleUrl,
      createdBy: config.serviceLogCreatedBy,
      username: config.serviceLogUsername,
    },
    concurrency: config.serviceLogConcurrency,
    timeoutMs: config.serviceLogTimeoutMs,
  });
  const { rendererUrl, pool, log } = options;
  return rendererUrl === undefined ? target : new RenderingTarget(target, { url: rendererUrl, pool, log });
}

/** Counts what goes through a target and what does not. */
export function counted(target: Target, metrics: PassMetrics): Target {
  return {
    name: target.name,
    batchSize: target.batchSize,
    leaseMs: target.leaseMs,
    texts: target.texts,
    format: target.format,
    close: () => target.close(),
    async *send(rows: RenderedNotification[], mayStart: () => boolean): AsyncGenerator<Outcome[]> {
      for await (const outcomes of target.send(rows, mayStart)) {
        metrics.count("notification_sent", outcomes.filter(({ sent }) => sent).length);
        const failed = outcomes.filter((outcome) => !outcome.sent && outcome.failure !== null);
        metrics.count("notification_not_sent_error_state", failed.length);
        yield outcomes;
      }
    },
  };
}
