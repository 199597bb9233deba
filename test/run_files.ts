import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { messageOf } from "../src/errors.ts";

/** How many of the slowest files are listed in the end. */
const slowestListed = 10;

/** A test or a file that takes longer hangs, and fails; only `npm run fuzz` takes longer. */
const timeoutMs = (process.env.FUZZ_INPUTS ? 30 : 5) * 60_000;

/** So many files run at the same time whatever the processors do, since tests wait for half of their time. */
const fewestAtOnce = availableParallelism() + 1;

/** So many do where the processors have time for them. */
const mostAtOnce = 2 * availableParallelism() + 1;

/** How often it is looked whether they have, and which share of their time that is. */
const lookEveryMs = 500;
const idleShare = 0.3;

type Skipped = { name: string; why: string };
/** `where`: file and line, which may be a helper that declares the test. */
type Failure = { name: string; where: string; error: unknown };
type File = {
  name: string;
  passed: number;
  skipped: Skipped[];
  failures: Failure[];
  seconds: number;
  output: string;
};

/**
 * Runs the given test files, each in a process of its own, and prints a line for each file that has ended,
 * failures as they come, and in the end what was skipped, what failed and how long it took. `test/run.ts`
 * starts it with the servers that the tests need.
 */
async function main(paths: string[]): Promise<number> {
  const startedAt = performance.now();
  const done: File[] = [];
  const waiting = [...paths];
  await atOnce(waiting, async (file) => {
    done.push(await runFile(path.relative(process.cwd(), path.resolve(file))));
    const count = String(done.length).padStart(String(paths.length).length);
    console.log(`${count}/${paths.length} ${summary(done.at(-1) as File)}`);
  });

  const failed = done.filter(({ failures }) => failures.length > 0);
  if (failed.length > 0) console.log("\nFailed:");
  for (const { failures } of failed)
    for (const { name, where, error } of failures)
      console.log(`  ${where}: ${name}\n    ${beginning(error)}`);
  for (const { name, output } of failed) if (output) console.log(`\nWhat ${name} printed:\n${output}`);
  if (done.length > 1) console.log("\nSlowest files:");
  for (const { name, seconds } of done.length > 1 ? slowest(done) : [])
    console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${name}`);
  const skipped = done.flatMap((file) =>
    file.skipped.map(({ name, why }) => `  ${file.name}: ${name}: ${why}`),
  );
  console.log(skipped.length === 0 ? "\nNothing was skipped." : `\nSkipped:\n${skipped.join("\n")}`);
  console.log(`It took ${duration((performance.now() - startedAt) / 1000)}.`);
  const total = (count: (file: File) => number) => done.reduce((sum, file) => sum + count(file), 0);
  const failures = total((file) => file.failures.length);
  console.log(`${total(({ passed }) => passed)} passed, ${failures} failed, ${skipped.length} skipped`);
  return failures === 0 ? 0 : 1;
}

/**
 * Does this work for each, `fewestAtOnce` or more at a time: one more whenever the processors were idle for a
 * while, as they are while services start, stop and wait for each other.
 */
async function atOnce(waiting: string[], work: (file: string) => Promise<void>): Promise<void> {
  let running = 0;
  const ended = Promise.withResolvers<void>();
  const begin = (): void => {
    const file = waiting.shift();
    if (file === undefined) {
      if (running === 0) ended.resolve();
      return;
    }
    running++;
    work(file).then(() => {
      running--;
      if (running < fewestAtOnce) begin();
    }, ended.reject);
  };
  for (let nth = 0; nth < fewestAtOnce; nth++) begin();
  let before = processorTimes();
  const look = setInterval(() => {
    const now = processorTimes();
    const idle = (now.idle - before.idle) / (now.all - before.all);
    before = now;
    if (running < mostAtOnce && idle > idleShare) begin();
  }, lookEveryMs);
  await ended.promise.finally(() => clearInterval(look));
}

/** What the processors did since they run: nothing, and anything. */
function processorTimes(): { idle: number; all: number } {
  const times = cpus().map((cpu) => cpu.times);
  const all = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), all };
}

/** What an error says first, so that the end of a long output is enough to know why a test failed. */
function beginning(error: unknown): string {
  return messageOf(causeOf(error)).slice(0, 300);
}

/**
 * A run of its own for each file: the events of a test name the file that declares it, which may be a helper.
 */
async function runFile(name: string): Promise<File> {
  const startedAt = performance.now();
  const file: File = { name, passed: 0, skipped: [], failures: [], seconds: 0, output: "" };
  const fail = (failure: Failure) => {
    file.failures.push(failure);
    console.log(described(failure));
  };
  const events = run({ files: [path.resolve(name)], concurrency: 1, timeout: timeoutMs });
  for (const stream of ["test:stdout", "test:stderr"] as const)
    events.on(stream, ({ message }) => {
      file.output += message;
    });
  events.on("test:diagnostic", ({ file: from, message }) => {
    if (from) file.output += `${message}\n`; // without a file: what the runner counts
  });
  events.on("test:complete", ({ name: test, file: from, line, skip, todo, details }) => {
    if (details.type === "suite" && details.passed) return;
    if (test === path.resolve(name)) {
      // a file that cannot be loaded, or ends before its tests; its tests speak for themselves otherwise
      if (!details.passed && file.failures.length === 0)
        fail({ name: "the file itself", where: name, error: details.error });
    } else if (skip !== undefined || todo !== undefined) {
      file.skipped.push({ name: test, why: reason(skip ?? todo) });
    } else if (details.passed) file.passed += 1;
    else if (details.error && !isOfSubtests(details.error)) {
      const where = path.relative(process.cwd(), from ?? name);
      const helper = where === name ? "" : `${name}, in `;
      fail({ name: test, where: `${helper}${where}:${line}`, error: details.error });
    }
  });
  for await (const _ of events);
  file.seconds = (performance.now() - startedAt) / 1000;
  return file;
}

const slowest = (files: File[]) => files.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestListed);

/**
 * node:test reports a test with subtests that failed as failed, too; the subtests have been reported already.
 */
const isOfSubtests = (error: Error) => "failureType" in error && error.failureType === "subtestsFailed";

const reason = (why: string | boolean | undefined) => (typeof why === "string" ? why : "no reason is given");

/** node:test wraps what a test throws. */
const causeOf = (error: unknown) =>
  error instanceof Error && error.cause !== undefined ? error.cause : error;

function described({ name, where, error }: Failure): string {
  const cause = causeOf(error);
  const text = typeof cause === "string" ? cause : inspect(cause);
  return `✖ ${where}: ${name}\n${text.replaceAll(/^/gm, "    ")}`;
}

function summary({ name, passed, failures, skipped, seconds }: File): string {
  const counts = [`${passed} passed`];
  if (failures.length > 0) counts.push(`${failures.length} FAILED`);
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  return `${name}: ${counts.join(", ")} in ${seconds.toFixed(1)} s`;
}

function duration(seconds: number): string {
  return seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

process.exitCode = await main(process.argv.slice(2));
