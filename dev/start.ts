import { isStop, stopSignal } from "../src/cli/stop.ts";
import { report } from "../src/cli.ts";
import { loadConfig } from "../src/config/config.ts";
import { createLogger } from "../src/log.ts";
import { run } from "../src/run.ts";
import { embed } from "./embedded.ts";

/** `npm start`: the service; whatever servers are not configured, it brings itself. */
async function start(): Promise<void> {
  const log = createLogger(loadConfig({ env: process.env }).logLevel);
  const signal = stopSignal(log);
  await using embedded = await embed(process.env, log, (line) => log.info(line));
  const { DATABASE_URL, KAFKA_BROKERS } = embedded.env;
  if (!process.env.DATABASE_URL) log.info(`psql ${DATABASE_URL}`);
  if (!process.env.KAFKA_BROKERS) log.info(`KAFKA_BROKERS=${KAFKA_BROKERS}`);
  await run(["analyze", "consume", "work", "serve"], loadConfig({ env: embedded.env }), log, signal).catch(
    (error) => {
      if (!isStop(error, signal)) throw error;
    },
  );
}

await start().catch((error) => {
  process.exitCode = report(error);
});
