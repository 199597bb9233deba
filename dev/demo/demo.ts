import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { isStop } from "../../src/cli/stop.ts";
import { report } from "../../src/cli.ts";
import { loadConfig } from "../../src/config/config.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { passOnUnreadable } from "../../src/kafka/fetched.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import { run } from "../../src/run.ts";
import { createDatabase, createTopics, embed, prepareDatabase } from "../embedded.ts";
import { sampleMessages } from "../samples/samples.ts";
import { Books } from "./books.ts";
import { printResult } from "./print.ts";

const help = `npm run demo -- [--reports N] [--seed N] [--json] [--keep]

  --reports N   how many results to produce (500)
  --seed N      which results (1)
  --json        one JSON object on stdout, nothing else
  --keep        leave the stack running until Ctrl-C, to look around in psql
`;

const stop = new AbortController();

/** The main job from end to end: produce sample results, run the service, wait, and print what came of it. */
async function demo(): Promise<void> {
  const options = readOptions();
  if (!options) return;
  // before the demo's own consumer fetches, which may be before the service's
  passOnUnreadable();
  const log = createLogger(options.json ? "warn" : "error", pino.destination(2));
  const progress = new Progress(options.json);

  await using owned = new AsyncDisposableStack();
  progress.say("starting PostgreSQL and Kafka");
  const embedded = owned.use(
    await embed(await demoEnvironment(owned, log), log, (line) => progress.note(line), { serviceLog: true }),
  );
  const config = loadConfig({ env: embedded.env });
  const messages = sampleMessages({ reports: options.reports, seed: options.seed, now: new Date() });
  await using books = await Books.open(config, messages, embedded.receiver, log);

  const start = performance.now();
  progress.say(`producing ${messages.length} results`);
  await books.produce();
  const service = run(["consume", "work", "serve"], config, log, stop.signal);
  // before its database and topics go away, however this ends
  await using _ = {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("done"));
      await service.catch(() => undefined); // the race below reports what went wrong with it
    },
  };
  const result = await Promise.race([
    books.finished((line) => progress.say(line), stop.signal),
    service.then(() => Promise.reject(new Error("the service ended before everything was done"))),
  ]);
  const seconds = Math.round(performance.now() - start) / 1000;
  progress.end();

  if (options.json) console.log(JSON.stringify({ ...result.summary, seconds }));
  else await printResult(books, result, seconds, config, options.keep);
  if (result.lost.length > 0) process.exitCode = 1;
  if (options.keep) {
    console.error("The stack stays until you press Ctrl-C.");
    while (!stop.signal.aborted)
      await sleep(60_000, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

function readOptions(): { reports: number; seed: number; json: boolean; keep: boolean } | undefined {
  const number = (name: string, value: string): number => {
    if (!/^[1-9]\d{0,7}$/.test(value))
      throw new ConfigurationError(`--${name} has to be a whole number from 1 on.`);
    return Number(value);
  };
  try {
    const { values } = parseArgs({
      options: {
        reports: { type: "string", default: "500" },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      console.log(help);
      return undefined;
    }
    return { ...values, reports: number("reports", values.reports), seed: number("seed", values.seed) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConfigurationError(`${error.message}. npm run demo -- --help lists the options.`);
  }
}

/** On servers that are not ours the demo keeps to a database and topics of its own, and removes them. */
async function demoEnvironment(owned: AsyncDisposableStack, log: Logger) {
  // made-up entries belong into the stand-in, never into a real Service Log
  const mine = Object.entries(process.env).filter(([key]) => !key.startsWith("CCX_SERVICE_LOG_"));
  // nobody looks at its metrics, and a service may run on this machine
  const env: Record<string, string | undefined> = { CCX_HTTP_PORT: "0", ...Object.fromEntries(mine) };
  const suffix = `.demo-${process.pid}-${Date.now().toString(36)}`;
  if (env.DATABASE_URL) {
    const database = await createDatabase(env.DATABASE_URL);
    owned.defer(database.drop);
    env.DATABASE_URL = database.url;
    await prepareDatabase(database.url, log);
  }
  if (env.KAFKA_BROKERS) {
    env.CCX_RESULTS_TOPIC = `ccx.ocp.results${suffix}`;
    env.CCX_NOTIFICATIONS_TOPIC = `platform.notifications.ingress${suffix}`;
    env.CCX_CONSUMER_GROUP = `ccx_notifications${suffix}`;
    const topics = await createTopics(env.KAFKA_BROKERS, [
      env.CCX_RESULTS_TOPIC,
      env.CCX_NOTIFICATIONS_TOPIC,
    ]);
    const group = env.CCX_CONSUMER_GROUP;
    owned.defer(() => topics.drop([group, `${group}.demo-${process.pid}`]));
  }
  return env;
}

/** One line on stderr that is written over where stderr is a terminal. */
class Progress {
  readonly #quiet: boolean;
  #last = "";
  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }
  say(line: string): void {
    if (this.#quiet || line === this.#last) return;
    this.#last = line;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K… ${line}` : `… ${line}\n`);
  }
  note(line: string): void {
    this.say(line);
  }
  end(): void {
    if (!this.#quiet && process.stderr.isTTY) process.stderr.write("\r\x1b[2K");
  }
}

for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(name)));
await demo().catch((error) => {
  process.exitCode = isStop(error, stop.signal) ? 1 : report(error);
});
