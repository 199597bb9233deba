import type { TaskList } from "graphile-worker";
import type { Kafka } from "kafkajs";
import type { Pool } from "pg";
import type { Logger } from "pino";
import decide from "../tasks/decide.ts";
import deliverNotificationsBackend from "../tasks/deliver_notifications_backend.ts";
import deliverServiceLog from "../tasks/deliver_service_log.ts";
import fetchContent from "../tasks/fetch_content.ts";
import forwardRejected from "../tasks/forward_rejected.ts";
import retain from "../tasks/retain.ts";
import sweep from "../tasks/sweep.ts";
import { type Config, requireKeys } from "./config/config.ts";
import { ContentTexts } from "./content/render/texts.ts";
import { contentSourceOf } from "./content/source/fetch.ts";
import { limited } from "./db/limits.ts";
import { createPool, endPool } from "./db/pool.ts";
import { requireSameRelease } from "./db/release.ts";
import { requireServer } from "./db/server.ts";
import { waitForDatabase } from "./db/wait.ts";
import { NotificationsBackend } from "./deliver/notifications_backend/target.ts";
import { AccessTokenSource } from "./deliver/service_log/access_token.ts";
import { ServiceLogClient } from "./deliver/service_log/client.ts";
import { ServiceLogTarget } from "./deliver/service_log/target.ts";
import { messageOf } from "./errors.ts";
import { ResultsConsumer } from "./ingest/consumer.ts";
import type { DeadLetters } from "./ingest/dead_letters.ts";
import { secondsWithoutProgress } from "./ingest/metrics.ts";
import { createKafka } from "./kafka/client.ts";
import { registerCodecs } from "./kafka/codecs.ts";
import { passOnUnreadable } from "./kafka/fetched.ts";
import { createProducer } from "./kafka/producer.ts";
import { startMonitor } from "./metrics/monitor.ts";
import type { Services } from "./worker/services.ts";
import { startWorker } from "./worker/worker.ts";

/** What a process does: take reports in, decide and deliver, or both. */
export type Role = "consume" | "work";

/**
 * Runs the service until the signal is aborted, then finishes what is in hand and resolves. Rejects when it
 * cannot go on: ConfigurationError for what a person has to change. `onFailure` hears of it at once, before
 * the parts have ended.
 *
 * The wiring plan: consumer → database ← worker → targets. The parts know nothing of each other; what
 * connects them is in the database.
 */
export async function run(
  roles: readonly Role[],
  config: Config,
  log: Logger,
  signal: AbortSignal,
  onFailure?: () => void,
): Promise<void> {
  requireKeys(config, ["databaseUrl", "kafkaBrokers"]);
  await using stack = new AsyncDisposableStack();

  const pool = createPool({
    databaseUrl: config.databaseUrl,
    size: config.databasePoolSize,
    name: `ccx ${roles.join("+")}`,
    log,
  });
  stack.defer(() => endPool(pool));
  const monitor = await startMonitor({ roles, config, log, signal, pool, secondsWithoutProgress });
  stack.defer(() => monitor.close());
  await waitForDatabase(pool, log, signal);
  await requireServer(pool, { writes: true });
  await requireSameRelease(pool);

  registerCodecs();
  passOnUnreadable();
  const kafka = createKafka(config, log);
  const failures: Promise<never>[] = [];

  if (roles.includes("work")) {
    const notificationsBackend = new NotificationsBackend(
      createProducer(kafka),
      config.notificationsTopic,
      config,
    );
    stack.defer(() => notificationsBackend.close());
    const serviceLog = createServiceLog(config);
    if (serviceLog) stack.defer(() => serviceLog.close());
    else
      log.warn(
        "CCX_SERVICE_LOG_URL is not set: notifications for the service log wait for a process that has it",
      );
    const contentSource = contentSourceOf(config);
    const upkeep = limited(pool, limitsOf(config, "upkeep"));
    const contentTexts = await ContentTexts.create(upkeep, log);
    stack.defer(() => contentTexts.dispose());
    stack.defer(await contentTexts.watch(config.databaseUrl));
    const deadLetters = createDeadLetters(config, kafka, stack);
    const tasks = tasksWith(
      {
        pool: upkeep,
        log,
        deciders: config.deciders,
        contentTexts,
        notificationsBackend,
        serviceLog,
        contentSource,
        deadLetters,
      },
      limited(pool, limitsOf(config, "decide")),
      limited(pool, limitsOf(config, "deliver")),
    );
    const worker = await startWorker({ pool, log, tasks, roles });
    stack.defer(() => worker.stop());
    // beside the consumer, not after it: together they have ten seconds
    signal.addEventListener("abort", () => void worker.stop().catch(() => undefined));
    failures.push(worker.failed);
  }

  if (roles.includes("consume")) {
    const consumer = new ResultsConsumer({
      kafka,
      pool: limited(pool, limitsOf(config, "ingest")),
      log,
      topic: config.resultsTopic,
      group: config.consumerGroup,
      batchSize: config.batchSize,
      catchUpMs: config.catchUpSeconds * 1_000,
    });
    stack.defer(() => consumer.stop());
    // kafkajs does not hear the signal while it connects
    await Promise.race([consumer.start(signal), aborted(signal), ...failures]);
    failures.push(consumer.failed);
  }

  monitor.started();
  log.info({ roles }, "running");
  await Promise.race([aborted(signal), ...failures]).catch((error) => {
    log.error({ error: messageOf(error) }, "cannot go on, ending");
    onFailure?.();
    throw error;
  });
  log.info("stopping, finishing what is in hand");
}

/**
 * The tasks of this process: those which need something that it is not configured for are left to others.
 * Decisions and deliveries have pools of their own, for their limits.
 */
function tasksWith(services: Services, toDecide: Pool, toDeliver: Pool): TaskList {
  const { serviceLog, contentSource, deadLetters } = services;
  const delivering = { ...services, pool: toDeliver };
  return {
    decide: decide({ ...services, pool: toDecide }),
    deliver_notifications_backend: deliverNotificationsBackend(delivering),
    ...(serviceLog && { deliver_service_log: deliverServiceLog({ ...delivering, serviceLog }) }),
    ...(contentSource && { fetch_content: fetchContent({ ...services, contentSource }) }),
    ...(deadLetters && { forward_rejected: forwardRejected({ ...services, deadLetters }) }),
    retain: retain(services),
    sweep: sweep(services),
  };
}

function limitsOf(config: Config, kind: "ingest" | "decide" | "deliver" | "upkeep") {
  return {
    statementMs: config[`${kind}StatementTimeoutMs`],
    lockMs: config[`${kind}LockTimeoutMs`],
    idleInTransactionMs: config.idleInTransactionTimeoutMs,
  };
}

function createDeadLetters(
  { deadLetterTopic: topic }: Config,
  kafka: Kafka,
  stack: AsyncDisposableStack,
): DeadLetters | undefined {
  if (topic === undefined) return undefined;
  const producer = createProducer(kafka);
  stack.defer(() => producer.disconnect());
  return { topic, producer };
}

function createServiceLog(config: Config): ServiceLogTarget | undefined {
  if (config.serviceLogUrl === undefined) return undefined;
  requireKeys(config, ["serviceLogClientId", "serviceLogClientSecret"]);
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
  return new ServiceLogTarget({
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
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
