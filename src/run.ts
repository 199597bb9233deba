import type { Logger } from "pino";
import { requireCell } from "./cell/cell.ts";
import { type Config, requireKeys } from "./config/config.ts";
import { createPool, endPool } from "./db/pool.ts";
import { requireSameRelease } from "./db/release.ts";
import { requireServer } from "./db/server.ts";
import { untilDatabaseAnswers, waitForDatabase } from "./db/wait.ts";
import { messageOf } from "./errors.ts";
import { secondsWithoutProgress } from "./ingest/metrics.ts";
import { createKafka } from "./kafka/client.ts";
import { registerCodecs } from "./kafka/codecs.ts";
import { passOnUnreadable } from "./kafka/fetched.ts";
import { startMonitor } from "./metrics/monitor.ts";
import { aborted, unlessAborted } from "./run/aborted.ts";
import type { Parts, Role } from "./run/parts.ts";
import { isTracingWanted } from "./trace/trace.ts";

/** Starts a part; `stack` stops it. `failed` rejects when it cannot go on. */
type Start = (parts: Parts, stack: AsyncDisposableStack) => Promise<{ failed: Promise<never> }>;

/**
 * Runs the service until the signal is aborted, then finishes what is in hand and resolves. Rejects when it
 * cannot go on: ConfigurationError for what a person has to change. `onFailure` hears of it at once, before
 * the parts have ended.
 *
 * The wiring plan: analyzer → topic of results → consumer → database ← worker → targets. The parts (src/run/)
 * know nothing of each other; what connects them is in the database. A part is loaded where it runs only.
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

  if (isTracingWanted(process.env)) {
    const { startTracingBy } = await import("./trace/sdk.ts");
    const tracing = startTracingBy(process.env, log);
    stack.defer(() => tracing.stop());
  }
  // whoever is asked to stop while it starts takes nothing in any more, and waits for nobody
  signal.throwIfAborted();
  const pool = createPool({
    databaseUrl: config.databaseUrl,
    size: config.databasePoolSize,
    // by it others see that the process lives, however little there is to do
    keep: 1,
    name: `ccx ${roles.join("+")}`,
    log,
  });
  stack.defer(() => endPool(pool));
  const own = { roles, config, log, signal, pool };
  const rooms = roles.includes("serve") ? (await import("./run/serve.ts")).servedRooms(own) : [];
  const monitor = await startMonitor({ ...own, rooms, secondsWithoutProgress });
  stack.defer(() => monitor.close());
  await unlessAborted(signal, () =>
    waitForDatabase(pool, log, signal, async () => {
      await requireServer(pool, { writes: true });
      await requireSameRelease(pool);
      await requireCell(pool, config.cell ?? "");
    }),
  );

  registerCodecs();
  passOnUnreadable();
  const parts = { ...own, kafka: createKafka(config, log) };
  const failures: Promise<never>[] = [];
  const start = async (role: Role, load: () => Promise<Start>) => {
    if (!roles.includes(role)) return;
    signal.throwIfAborted();
    const startPart = await load();
    // the database may go away again while a part starts; what had begun of it ends before the next try
    const starting = untilDatabaseAnswers(
      async () => {
        const begun = stack.use(new AsyncDisposableStack());
        return await startPart(parts, begun).catch(async (error) => {
          await begun.disposeAsync();
          throw error;
        });
      },
      log,
      signal,
    );
    const { failed } = await Promise.race([starting, ...failures]);
    failures.push(failed);
  };
  await start("work", async () => (await import("./run/work.ts")).startWorking);
  await start("consume", async () => (await import("./run/consume.ts")).startConsuming);
  await start("forward", async () => (await import("./run/forward.ts")).startForwarding);
  await start("analyze", async () => (await import("./run/analyze.ts")).startAnalyzing);

  monitor.started();
  log.info({ roles }, "running");
  await Promise.race([aborted(signal), ...failures]).catch((error) => {
    log.error({ error: messageOf(error) }, "cannot go on, ending");
    onFailure?.();
    throw error;
  });
  log.info("stopping, finishing what is in hand");
}
