import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { readRules } from "../../src/analyze/rule_files.ts";
import { loadRules } from "../../src/cli/sql.ts";
import { isStop } from "../../src/cli/stop.ts";
import { report } from "../../src/cli.ts";
import { loadConfig } from "../../src/config/config.ts";
import { storeContent } from "../../src/content/source/load.ts";
import { readContent } from "../../src/content/source/read.ts";
import { codeOf } from "../../src/db/errors.ts";
import { ConfigurationError, messageOf } from "../../src/errors.ts";
import { passOnUnreadable } from "../../src/kafka/fetched.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import { run } from "../../src/run.ts";
import { createDatabase, createTopics, embed, prepareDatabase } from "../embedded.ts";
import { sampleArchives } from "../samples/archives.ts";
import { sampleContent } from "../samples/content.ts";
import { seeded } from "../samples/random.ts";
import { sampleMessages } from "../samples/samples.ts";
import { Books } from "./books.ts";
import { printResult } from "./print.ts";
import { serviceAnswers, upload } from "./upload.ts";

const help = `npm run demo -- [--reports N] [--seed N] [--json] [--keep]

  --reports N   how many results to produce (500)
  --seed N      which results (1)
  --json        one JSON object on stdout, nothing else
  --keep        leave the stack running until Ctrl-C, to look around in psql
`;

const stop = new AbortController();

const rulesFolder = new URL("../../rules", import.meta.url).pathname;

/**
 * The main job from end to end: upload sample archives, produce sample results, run the service, wait, and
 * print what came of it.
 */
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

  await prepareRules(books);
  const archives = await sampleArchives(seeded(options.seed));
  const base = `http://127.0.0.1:${config.httpPort}`;

  const start = performance.now();
  progress.say(`producing ${messages.length} results`);
  await books.produce();
  const service = run(["consume", "work", "serve", "analyze"], config, log, stop.signal);
  // before its database and topics go away, however this ends
  await using _ = {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("done"));
      await service.catch(() => undefined); // the race below reports what went wrong with it
    },
  };
  const finished = async () => {
    await serviceAnswers(base, stop.signal);
    progress.say(`uploading ${archives.length} archives`);
    for (const archive of archives) books.uploaded(await upload(base, archive, stop.signal), archive);
    return books.finished((line) => progress.say(line), stop.signal);
  };
  const result = await Promise.race([
    finished(),
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

/** Loads the rules of this project, and their texts beside those of the sample content. */
async function prepareRules({ pool }: Books): Promise<void> {
  try {
    await loadRules(pool, JSON.stringify(await readRules(rulesFolder)));
  } catch (error) {
    // the role as which rules run is for a superuser to make
    if (codeOf(error) !== "NTY01") throw error;
    const { hint } = error as { hint?: string };
    throw new ConfigurationError(`${messageOf(error)}: ${hint}`, { cause: error });
  }
  const [samples, ofRules] = await Promise.all([
    readContent(sampleContent),
    readContent(`${rulesFolder}/content`),
  ]);
  const content = [...samples.content, ...ofRules.content];
  await storeContent(pool, { content, refused: [...samples.refused, ...ofRules.refused] }, "the demo");
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

/** A free port below those that systems give to outgoing connections: it is still free when it is listened on. */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = 18_000 + Math.floor(Math.random() * 12_000);
    const holder = createServer();
    const isFree = await new Promise<boolean>((done) => {
      holder.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true));
    });
    if (!isFree) continue;
    await new Promise((closed) => holder.close(closed));
    return port;
  }
}

/** On servers that are not ours the demo keeps to a database and topics of its own, and removes them. */
async function demoEnvironment(owned: AsyncDisposableStack, log: Logger) {
  // made-up entries and archives belong into stand-ins and its own database, never into what is real
  const notOurs = /^CCX_(SERVICE_LOG|ARCHIVE|UPLOAD|RULES_PYTHON|HTTP_HOST)/;
  const mine = Object.entries(process.env).filter(([key]) => !notOurs.test(key));
  const env: Record<string, string | undefined> = Object.fromEntries(mine);
  // a service may run on this machine
  if ((env.CCX_HTTP_PORT ?? "0") === "0") env.CCX_HTTP_PORT = String(await quietPort());
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
    env.CCX_ANNOUNCEMENTS_TOPIC = `platform.upload.announce${suffix}`;
    env.CCX_PAYLOAD_STATUS_TOPIC = `platform.payload-status${suffix}`;
    env.CCX_CONSUMER_GROUP = `ccx_notifications${suffix}`;
    env.CCX_ANALYZE_GROUP = `ccx_analyze${suffix}`;
    const topics = await createTopics(env.KAFKA_BROKERS, [
      env.CCX_RESULTS_TOPIC,
      env.CCX_NOTIFICATIONS_TOPIC,
      env.CCX_ANNOUNCEMENTS_TOPIC,
      env.CCX_PAYLOAD_STATUS_TOPIC,
    ]);
    const groups = [env.CCX_CONSUMER_GROUP, `${env.CCX_CONSUMER_GROUP}.demo-${process.pid}`];
    owned.defer(() => topics.drop([...groups, String(env.CCX_ANALYZE_GROUP)]));
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
