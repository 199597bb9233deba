import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const root = path.join(import.meta.dirname, "../..");

/** Runs a script with node; how it ended, and what it wrote to stderr. */
async function run(args: string[], stdout: number | "ignore" = "ignore"): Promise<[number | null, string]> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", stdout, "pipe"] });
  assert.ok(child.stderr);
  const ended = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)));
  const said = await text(child.stderr);
  return [await ended, said];
}

/** Asks itself twice to stop, `apart` ms from each other on its own clock, and ends with 7 if it is let go on. */
const askedTwice = (apart: number) => `
  const { stopSignal } = await import("./src/cli/stop.ts");
  const { createLogger } = await import("./src/log.ts");
  let now = 5_000;
  performance.now = () => now;
  const signal = stopSignal(createLogger("silent"));
  process.emit("SIGINT");
  now += ${apart};
  process.emit("SIGINT");
  process.exit(signal.aborted ? 7 : 8);`;

test("a signal that comes twice at once, as through npm, is one; a later one ends at once", async () => {
  const script = (apart: number) => run(["--input-type=module", "-e", askedTwice(apart)]);
  assert.deepEqual(await script(5), [7, ""]);
  assert.deepEqual(await script(2_000), [1, ""]);
});

test("output that cannot be written is a failure, with one line", async () => {
  await using full = await open("/dev/full", "w");
  const [code, said] = await run(["bin/ccx.js", "config"], full.fd);
  assert.equal(code, 1);
  assert.match(said, /^ccx: the output could not be written: ENOSPC.*\n$/);
});

test("ccx says its release", async () => {
  const child = spawn(process.execPath, ["bin/ccx.js", "--version"], { cwd: root });
  assert.match(await text(child.stdout), /^\d+\.\d+\.\d+\n$/);
});
