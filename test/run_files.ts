import { availableParallelism } from "node:os";
import path from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";

/** How many of the slowest files are listed in the end. */
const slowestListed = 10;

/** A test or a file that takes longer hangs, and fails. `npm run fuzz` takes longest, and stays far below. */
const timeoutMs = 30 * 60_000;

type File = { name: string; passed: number; failed: number; skipped: number; startedAt: number };
type Skipped = { file: string; name: string; why: string };
type Failure = { file: string; name: string; line: number | undefined; error: unknown };

/**
 * Runs the given test files, each in a process of its own, one per processor at the same time, and prints a
 * line for each file that has ended, failures as they come, and in the end what was skipped, what failed and
 * how long it took. `test/run.ts` starts it with the servers that the tests need.
 */
async function main(paths: string[]): Promise<number> {
  const startedAt = performance.now();
  const files = new Map<string, File>();
  const skipped: Skipped[] = [];
  const failures: Failure[] = [];
  const slowest: { name: string; seconds: number }[] = [];
  const output = new Map<string, string>();
  let done = 0;

  const nameOf = (file: string | undefined) => (file ? path.relative(process.cwd(), file) : "?");
  const fileOf = (file: string | undefined): File => {
    const name = nameOf(file);
    const known = files.get(name) ?? { name, passed: 0, failed: 0, skipped: 0, startedAt: performance.now() };
    files.set(name, known);
    return known;
  };
  const fail = (failure: Failure) => {
    failures.push(failure);
    console.log(described(failure));
  };

  const events = run({
    files: paths.map((file) => path.resolve(file)),
    concurrency: Math.max(2, availableParallelism()),
    timeout: timeoutMs,
  });
  events.on("test:dequeue", ({ file, name }) => {
    if (nameOf(name) === nameOf(file)) fileOf(file);
  });
  for (const stream of ["test:stdout", "test:stderr"] as const)
    events.on(stream, ({ file, message }) => {
      output.set(nameOf(file), (output.get(nameOf(file)) ?? "") + message);
    });
  events.on("test:diagnostic", ({ file, message, nesting }) => {
    // what the runner counts at the end of all files has no file
    if (file)
      output.set(nameOf(file), `${output.get(nameOf(file)) ?? ""}${"  ".repeat(nesting)}${message}\n`);
  });
  // In the order in which tests end; "test:pass" and "test:fail" wait for the files before.
  events.on("test:complete", ({ file: from, name, skip, todo, line, details }) => {
    const file = fileOf(from);
    if (nameOf(name) === file.name) {
      done += 1;
      const seconds = (performance.now() - file.startedAt) / 1000;
      slowest.push({ name: file.name, seconds });
      if (!details.passed && file.failed === 0) {
        file.failed += 1;
        fail({ file: file.name, name: "the file itself", line: undefined, error: details.error });
      }
      console.log(
        `${String(done).padStart(String(paths.length).length)}/${paths.length} ${summary(file, seconds)}`,
      );
      return;
    }
    if (details.type === "suite" && details.passed) return;
    if (skip !== undefined || todo !== undefined) {
      file.skipped += 1;
      skipped.push({ file: file.name, name, why: reason(skip ?? todo) });
    } else if (details.passed) file.passed += 1;
    else if (details.error && !isOfSubtests(details.error)) {
      file.failed += 1;
      fail({ file: file.name, name, line, error: details.error });
    }
  });
  for await (const _ of events);

  const total = (count: (file: File) => number) =>
    [...files.values()].reduce((sum, file) => sum + count(file), 0);
  const failed = total((file) => file.failed);
  if (failures.length > 0) {
    console.log("\nFailed:");
    for (const { file, name, line } of failures) console.log(`  ${file}${line ? `:${line}` : ""}: ${name}`);
    for (const name of new Set(failures.map(({ file }) => file)))
      if (output.get(name)) console.log(`\nWhat ${name} printed:\n${output.get(name)}`);
  }
  if (slowest.length > 1) {
    console.log("\nSlowest files:");
    for (const { name, seconds } of slowest.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestListed))
      console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${name}`);
  }
  console.log(skipped.length === 0 ? "\nNothing was skipped." : "\nSkipped:");
  for (const { file, name, why } of skipped) console.log(`  ${file}: ${name}: ${why}`);
  console.log(`It took ${duration((performance.now() - startedAt) / 1000)}.`);
  console.log(`${total(({ passed }) => passed)} passed, ${failed} failed, ${skipped.length} skipped`);
  return failed === 0 && done === paths.length ? 0 : 1;
}

/**
 * node:test reports a test with subtests that failed as failed, too; the subtests have been reported already.
 */
const isOfSubtests = (error: Error) => "failureType" in error && error.failureType === "subtestsFailed";

const reason = (why: string | boolean | undefined) => (typeof why === "string" ? why : "no reason is given");

function described({ file, name, line, error }: Failure): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = typeof cause === "string" ? cause : inspect(cause);
  return `✖ ${file}${line ? `:${line}` : ""}: ${name}\n${text.replaceAll(/^/gm, "    ")}`;
}

function summary({ name, passed, failed, skipped }: File, seconds: number): string {
  const counts = [`${passed} passed`];
  if (failed > 0) counts.push(`${failed} FAILED`);
  if (skipped > 0) counts.push(`${skipped} skipped`);
  return `${name}: ${counts.join(", ")} in ${seconds.toFixed(1)} s`;
}

function duration(seconds: number): string {
  return seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

process.exitCode = await main(process.argv.slice(2));
