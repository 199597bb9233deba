import type { TaskList } from "graphile-worker";
import type { Kafka } from "kafkajs";
import type { Pool } from "pg";
import announceUploads from "../../tasks/announce_uploads.ts";
import decide from "../../tasks/decide.ts";
import deliverNotificationsBackend from "../../tasks/deliver_notifications_backend.ts";
import deliverServiceLog from "../../tasks/deliver_service_log.ts";
import fetchContent from "../../tasks/fetch_content.ts";
import fetchRegistry from "../../tasks/fetch_registry.ts";
import forwardRejected from "../../tasks/forward_rejected.ts";
import retain from "../../tasks/retain.ts";
import survey from "../../tasks/survey.ts";
import sweep from "../../tasks/sweep.ts";
import tidyArchives from "../../tasks/tidy_archives.ts";
import { type Config, requireKeys } from "../config/config.ts";
import { ContentTexts } from "../content/render/texts.ts";
import { contentSourceOf } from "../content/source/fetch.ts";
import { limited } from "../db/limits.ts";
import { NotificationsBackend } from "../deliver/notifications_backend/target.ts";
import { AccessTokenSource } from "../deliver/service_log/access_token.ts";
import { ServiceLogClient } from "../deliver/service_log/client.ts";
import { ServiceLogTarget } from "../deliver/service_log/target.ts";
import { bodyOptionsOf } from "../deliver/shown.ts";
import { createProducer } from "../kafka/producer.ts";
import { openStore } from "../objects/open_store.ts";
import { registrySourceOf } from "../results/registry/source.ts";
import type { Announcing } from "../upload/announce.ts";
import type { Services } from "../worker/services.ts";
import { startWorker } from "../worker/worker.ts";
import { createDeadLetters } from "./forward.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

/**
 * Starts the worker with the tasks that this process is configured for; `stack` stops it and closes what it
 * needs. Returns what rejects when it cannot go on.
 */
export async function startWorking(
  { config, kafka, pool, log, roles, signal }: Parts,
  stack: AsyncDisposableStack,
): Promise<{ failed: Promise<never> }> {
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
  const ended = new AbortController();
  const limitedTo = (work: "upkeep" | "decide" | "deliver") =>
    limited(pool, limitsOf(config, work), ended.signal);
  const upkeep = limitedTo("upkeep");
  const contentTexts = await ContentTexts.create(upkeep, log);
  stack.defer(() => contentTexts.dispose());
  stack.defer(await contentTexts.watch(config.databaseUrl));
  const deadLetters = createDeadLetters(config, kafka, stack);
  const uploads = await createAnnouncing(config, kafka, upkeep, stack);
  const tasks = tasksWith(
    {
      pool: upkeep,
      log,
      deciders: config.deciders,
      contentTexts,
      notificationsBackend,
      serviceLog,
      contentSource,
      registrySource: registrySourceOf(config),
      deadLetters,
      uploads,
    },
    limitedTo("decide"),
    limitedTo("deliver"),
  );
  const worker = await startWorker({ pool, log, tasks, roles });
  stack.defer(async () => {
    await worker.stop();
    // A task that is left to itself fails when what it works with is closed. That is no outcome of what it
    // had claimed, so it cannot record one: the lease ends.
    ended.abort(new Error("the process ends"));
  });
  // beside the consumer, not after it: together they have ten seconds
  signal.addEventListener("abort", () => void worker.stop().catch(() => undefined));
  return { failed: worker.failed };
}

/**
 * The tasks of this process: those which need something that it is not configured for are left to others.
 * Decisions and deliveries have pools of their own, for their limits.
 */
function tasksWith(services: Services, toDecide: Pool, toDeliver: Pool): TaskList {
  const { serviceLog, contentSource, registrySource, deadLetters } = services;
  const delivering = { ...services, pool: toDeliver };
  return {
    decide: decide({ ...services, pool: toDecide }),
    deliver_notifications_backend: deliverNotificationsBackend(delivering),
    ...(serviceLog && { deliver_service_log: deliverServiceLog({ ...delivering, serviceLog }) }),
    ...(contentSource && { fetch_content: fetchContent({ ...services, contentSource }) }),
    ...(registrySource && { fetch_registry: fetchRegistry({ ...services, registrySource }) }),
    ...(deadLetters && { forward_rejected: forwardRejected({ ...services, deadLetters }) }),
    retain: retain(services),
    survey: survey(services),
    sweep: sweep(services),
    announce_uploads: announceUploads(delivering),
    tidy_archives: tidyArchives(services),
  };
}

async function createAnnouncing(
  config: Config,
  kafka: Kafka,
  pool: Pool,
  stack: AsyncDisposableStack,
): Promise<Announcing> {
  const store = await openStore(config, pool);
  stack.defer(() => store.close());
  const producer = createProducer(kafka);
  stack.defer(() => producer.disconnect());
  const {
    announcementsTopic: announceTopic,
    payloadStatusTopic: statusTopic,
    archiveUrlSeconds: urlSeconds,
  } = config;
  return { store, producer, announceTopic, statusTopic, urlSeconds };
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
    entry: bodyOptionsOf(config).serviceLog,
    concurrency: config.serviceLogConcurrency,
    timeoutMs: config.serviceLogTimeoutMs,
  });
}
