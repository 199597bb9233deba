import { setTimeout as sleep } from "node:timers/promises";
import { Analyzer } from "../analyze/analyzer.ts";
import { AnnouncementConsumer } from "../analyze/consumer.ts";
import type { AllowedHost } from "../analyze/download.ts";
import { Publisher } from "../analyze/publisher.ts";
import { PythonEngine } from "../analyze/python/engine.ts";
import type { Config } from "../config/config.ts";
import { limited } from "../db/limits.ts";
import { createPool, endPool } from "../db/pool.ts";
import { messageOf } from "../errors.ts";
import { createAgent } from "../http/client.ts";
import { createProducer } from "../kafka/producer.ts";
import { openStore } from "../objects/open_store.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

const lookForRulesEveryMs = 1_000;

/**
 * Starts the analysis of uploads; `stack` stops it. It waits in the background until there are rules: nobody
 * who has none means to publish results without hits. Returns what rejects when it cannot go on.
 *
 * It has connections of its own, since each holds the files of an archive, and rules run on it.
 */
export async function startAnalyzing(
  { config, kafka, log, signal }: Parts,
  stack: AsyncDisposableStack,
): Promise<{ failed: Promise<never> }> {
  const own = createPool({
    databaseUrl: config.databaseUrl,
    size: config.analyzers + 2,
    name: "ccx analyze",
    log,
  });
  stack.defer(() => endPool(own));
  const pool = limited(own, { ...limitsOf(config, "ingest"), statementMs: config.rulesTimeoutMs });
  const rulePool = limited(own, { ...limitsOf(config, "ingest"), statementMs: config.ruleTimeoutMs });
  const python = await startPython(config, log, stack);
  const agent = createAgent({ connectTimeoutMs: Math.min(10_000, config.archiveTimeoutMs) });
  stack.defer(() => agent.destroy().catch(() => undefined));
  const producer = createProducer(kafka);
  stack.defer(() => producer.disconnect());
  const analyzer = new Analyzer({
    ...{ pool, rulePool, log, python },
    publisher: new Publisher({ pool, log, producer, topic: config.resultsTopic }),
    fetching: {
      agent,
      allowed: config.archiveHosts.map(allowedHost),
      timeoutMs: config.archiveTimeoutMs,
      limits: {
        maxBytes: config.archiveMaxBytes,
        maxUnpackedBytes: config.archiveMaxUnpackedBytes,
        maxEntries: config.archiveMaxEntries,
      },
    },
    async freshUrl({ store: name, object_key }) {
      if (name !== config.archiveStore) return undefined;
      const store = await openStore(config, pool);
      try {
        return await store.url(object_key, config.archiveUrlSeconds, new Date());
      } finally {
        await store.close();
      }
    },
    concurrency: config.analyzers,
    keepPerHour: config.keepArchivesPerHour,
  });
  const consumer = new AnnouncementConsumer({
    ...{ kafka, pool: limited(own, limitsOf(config, "ingest")), log },
    topic: config.announcementsTopic,
    group: config.analyzeGroup,
    onTaken: () => analyzer.wake(),
  });
  const ending = new AbortController();
  const stop = () => {
    ending.abort();
    return Promise.all([consumer.stop(), analyzer.stop()]);
  };
  stack.defer(async () => void (await stop()));
  const begin = async () => {
    // also where another part cannot go on, and nobody has aborted the signal
    while (!ending.signal.aborted) {
      const isTime = await analyzer.hasRules().catch((error) => {
        if (!ending.signal.aborted)
          log.warn({ error: messageOf(error) }, "rules cannot be looked up yet, trying again");
        return false;
      });
      if (isTime && !ending.signal.aborted) {
        analyzer.start();
        return await consumer.start();
      }
      await sleep(lookForRulesEveryMs, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  };
  void begin();
  // beside the other parts, not after them: together they have ten seconds
  signal.addEventListener("abort", () => void stop());
  return { failed: Promise.race([consumer.failed, analyzer.failed]) };
}

async function startPython(
  config: Config,
  log: Parts["log"],
  stack: AsyncDisposableStack,
): Promise<PythonEngine | undefined> {
  if (config.rulesPython === undefined) return undefined;
  const engine = new PythonEngine({
    python: config.python,
    packages: config.rulesPython,
    ruleTimeoutMs: config.ruleTimeoutMs,
    timeoutMs: config.rulesTimeoutMs + config.ruleTimeoutMs,
    maxMemoryBytes: config.pythonMaxMemoryBytes,
    log,
  });
  stack.defer(() => engine.close());
  await engine.start();
  return engine;
}

/** Plain HTTP is for this machine, and for hosts for which it is written down. */
function allowedHost(text: string): AllowedHost {
  const [, scheme, hostname = "", port] = /^(https?:\/\/)?(.*?)(?::(\d+))?$/.exec(text.toLowerCase()) ?? [];
  const isLoopback = hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  return { hostname, port, plainHttp: scheme === "http://" || isLoopback };
}
