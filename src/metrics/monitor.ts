import { readFile } from "node:fs/promises";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Pool } from "pg";
import type { Config } from "../config/config.ts";
import { createPool } from "../db/pool.ts";
import { requireSameRelease } from "../db/release.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { type Answer, type HttpRoom, jsonAnswer, type ServerTls, startServer } from "../http/server.ts";
import { BrokerProbe } from "../kafka/broker_probe.ts";
import type { Logger } from "../log.ts";
import { release } from "../version.ts";
import { contentType, exposition } from "./exposition.ts";
import { type Checks, examine, requireProgress, within } from "./health.ts";
import { openMetrics, openMetricsType, wantsOpenMetrics } from "./open_metrics.ts";
import { gauge, watchNode } from "./registry.ts";
import { contentInForce } from "./sql.ts";

/** Kubernetes waits for a probe for a second unless it is set otherwise, as docs/guides/running.md says. */
const checkWithinMs = 2_500;
const scrapeWithinMs = 8_000;
/** A program and its database stay of the same release for a while; comparing them reads every file. */
const releaseForMs = 60_000;
/**
 * Milliseconds after it was asked to stop: so long a process that serves rooms takes requests, so that
 * whoever hands them out sees first that it is not ready; and so long what is being answered may end. All of
 * a stop takes less than ten seconds.
 */
const stopping = { takesMs: 2_000, answersMs: 5_500 };
/** The least time that answers have to end, also where the parts took longer, or the process cannot go on. */
const leastGraceMs = 500;

export type Monitor = {
  /** All parts run: from now on the process may be ready. */
  started(): void;
  /** Lets requests that are under way end, for a few seconds. */
  close(): Promise<void>;
};

export type MonitorOptions = {
  roles: readonly string[];
  config: Config & { readonly databaseUrl: string; readonly kafkaBrokers: readonly string[] };
  log: Logger;
  /** Once it is aborted, the process is not ready any more. */
  signal: AbortSignal;
  /** The connections of the service, which are only counted. */
  pool: Pool;
  /** What is served on the same port. */
  rooms?: readonly HttpRoom[];
  /** Seconds since the consumer last got on; undefined where there is none, or none yet. */
  secondsWithoutProgress: () => number | undefined;
};

/**
 * Serves the metrics and the health of this process. It has connections of its own, so that it answers also
 * when the service has none to spare, and answers before the database does.
 * Rejects with ConfigurationError when the port is taken.
 */
export async function startMonitor(options: MonitorOptions): Promise<Monitor> {
  const { config, log, signal } = options;
  let isRunning = false;
  let askedAt = Number.NEGATIVE_INFINITY;
  signal.addEventListener(
    "abort",
    () => {
      askedAt = performance.now();
    },
    { once: true },
  );
  if (config.httpPort === 0)
    return {
      started() {},
      async close() {},
    };
  const tls = await tlsOf(config);
  watchNode();
  watchProcess(options);
  const pool = createPool({
    databaseUrl: config.databaseUrl,
    size: 3,
    name: "ccx monitor",
    log,
    statementTimeoutMs: scrapeWithinMs,
  });
  const broker = new BrokerProbe(config);

  const servers = {
    database: async () => {
      await contentInForce(pool);
      return "answers";
    },
    broker: async () => `${await broker.brokers()} brokers`,
  } satisfies Checks;
  const isSameRelease = remembered(releaseForMs, () => requireSameRelease(pool));

  const live = async (): Promise<Answer> => {
    const began = performance.now();
    await turn();
    const loopMs = Math.round(performance.now() - began);
    const seconds = options.secondsWithoutProgress();
    return health({
      event_loop: () => `turned within ${loopMs} ms`,
      ...(options.roles.includes("consume") && {
        consumer: async () => requireProgress(seconds, (await examine(servers, checkWithinMs - 500)).ok),
      }),
    });
  };
  const ready = (): Promise<Answer> | Answer => {
    if (signal.aborted) return notYet("stopping");
    if (!isRunning) return notYet("starting");
    return health({
      ...servers,
      migration: async () => {
        await isSameRelease();
        return `release ${release}`;
      },
      content: async () => {
        const [content] = await contentInForce(pool);
        if (!content?.rules_in_force) throw new Error("no rule has content: load it, or set CCX_CONTENT_URL");
        return `${content.rules_in_force} rules`;
      },
    });
  };
  const scrape = shared(() =>
    within(scrapeWithinMs, () =>
      exposition({
        pool,
        topics: [config.resultsTopic, config.workloadsTopic].filter((topic) => topic !== undefined),
        ends: (topic) => within(checkWithinMs, () => broker.ends(topic)),
      }),
    ),
  );
  const server = await startServer(
    {
      host: config.httpHost,
      port: config.httpPort,
      tls,
      rooms: options.rooms,
      signal,
      routes: {
        "/metrics": async (accept) => {
          const text = await scrape();
          return wantsOpenMetrics(accept)
            ? { status: 200, type: openMetricsType, body: openMetrics(text) }
            : { status: 200, type: contentType, body: text };
        },
        "/livez": live,
        "/readyz": ready,
        "/version": () => jsonAnswer(200, { release, node: process.version, roles: options.roles }),
      },
    },
    log,
  ).catch(async (error) => {
    await pool.end();
    throw error;
  });
  log.info({ host: config.httpHost, port: server.port }, "metrics and health are served");
  return {
    started() {
      isRunning = true;
    },
    async close() {
      const until = (ms: number) => Math.max(0, askedAt + ms - performance.now());
      if (options.rooms?.length) await sleep(until(stopping.takesMs));
      await server.close(Math.max(leastGraceMs, until(stopping.answersMs)));
      await Promise.all([broker.close(), pool.end()]);
    },
  };
}

const health = async (checks: Checks): Promise<Answer> => {
  const report = await examine(checks, checkWithinMs);
  return jsonAnswer(report.ok ? 200 : 503, report);
};

const notYet = (detail: string): Answer =>
  jsonAnswer(503, { ok: false, checks: [{ check: "process", ok: false, detail }] });

function watchProcess({ pool, roles }: MonitorOptions): void {
  gauge(
    {
      name: "build_info",
      help: "The release that runs here; always 1",
      labels: ["release", "node", "roles"],
    },
    (it) => it.set({ release, node: process.version, roles: roles.join("+") }, 1),
  );
  gauge(
    { name: "pool_connections", help: "Connections of this process to the database", labels: ["state"] },
    (it) => {
      it.set({ state: "idle" }, pool.idleCount);
      it.set({ state: "busy" }, pool.totalCount - pool.idleCount);
    },
  );
  gauge({ name: "pool_max_connections", help: "Most connections that this process opens" }, (it) =>
    it.set(pool.options.max),
  );
  gauge({ name: "pool_waiting", help: "Statements that wait for a connection" }, (it) =>
    it.set(pool.waitingCount),
  );
}

/** Whoever asks while an answer is under way gets the same one. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

/** What succeeded is not asked again for `ms` milliseconds. */
function remembered(ms: number, ask: () => Promise<void>): () => Promise<void> {
  let until = 0;
  return async () => {
    if (performance.now() < until) return;
    await ask();
    until = performance.now() + ms;
  };
}

/** The files that TLS is made of; undefined where none are configured. Rejects with ConfigurationError. */
async function tlsOf({
  httpCertFile,
  httpKeyFile,
  httpClientCaFile,
}: Config): Promise<ServerTls | undefined> {
  if (httpCertFile === undefined || httpKeyFile === undefined) return undefined;
  const read = (key: string, file: string) =>
    readFile(file, "utf8").catch((error) => {
      throw new ConfigurationError(`${key} names a file that cannot be read: ${messageOf(error)}.`, {
        cause: error,
      });
    });
  const [cert, key, clientCa] = await Promise.all([
    read("CCX_HTTP_CERT_FILE", httpCertFile),
    read("CCX_HTTP_KEY_FILE", httpKeyFile),
    httpClientCaFile === undefined ? undefined : read("CCX_HTTP_CLIENT_CA_FILE", httpClientCaFile),
  ]);
  return { cert, key, clientCa };
}
