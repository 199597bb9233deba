import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { ccx, cleanEnvironment } from "./service.ts";

export type Finished = { pid: number | undefined; code: number | null; stdout: string; stderr: string };

/** Runs a program of ours to its end, on the Node that runs the tests; kill -9 after a minute and a half. */
export async function finished(
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<Finished> {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: cleanEnvironment(env),
    timeout: 90_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { pid: child.pid, code, stdout, stderr };
}

/** Runs `ccx` with these arguments; returns when it has ended. */
export const runCcx = (args: string[], env: Record<string, string | undefined> = {}): Promise<Finished> =>
  finished([ccx, ...args], env);

/** Fails unless the command gave up with code 1 and these lines on stderr: nothing else, no stack trace. */
export function assertGivesUp({ code, stderr }: Finished, ...lines: RegExp[]): void {
  assert.equal(code, 1, stderr);
  const said = stderr.replace(/\n$/, "").split("\n");
  assert.equal(said.length, lines.length, stderr);
  for (const [nth, line] of lines.entries()) assert.match(said[nth] ?? "", line);
  assert.doesNotMatch(stderr, /^ +at /m);
}
