import assert from "node:assert/strict";
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { ccx, cleanEnvironment } from "./service.ts";

export type Finished = { code: number | null; stdout: string; stderr: string };

/** A command of ours: `ccx`, or one with the incumbent's name. */
export type Program =
  | "ccx"
  | "ccx-notification-service"
  | "ccx-notification-writer"
  | "insights-results-aggregator";

/** What the host of commands is asked; `end` is what it writes after the output. */
export type Asked = { program: Program; args: string[]; env: NodeJS.ProcessEnv; end: string };

/** What it answers; `left` is what the command has left open. */
export type Answer = { code: number; left: string[] };

/** Runs a program of ours to its end, on the Node that runs the tests; kill -9 after a minute and a half. */
export async function finished(
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<Finished & { pid: number | undefined }> {
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

/** Runs `ccx` with these arguments in a process of its own; returns when it has ended. */
export const spawnCcx = (args: string[], env: Record<string, string | undefined> = {}) =>
  finished([ccx, ...args], env);

let host: ChildProcess | undefined;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `ccx` with these arguments in a process that does so for all commands of this test file, one after the
 * other; that process ends with ours.
 */
export const runCcx = (args: string[], env: Record<string, string | undefined> = {}): Promise<Finished> =>
  runProgram("ccx", args, env);

/** The same for any of our commands. */
export function runProgram(
  program: Program,
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<Finished> {
  const answer = last.then(() => ask(program, args, cleanEnvironment(env)));
  last = answer.catch(() => {});
  return answer;
}

async function ask(program: Program, args: string[], env: NodeJS.ProcessEnv): Promise<Finished> {
  host ??= fork(new URL("command_host.ts", import.meta.url), {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    execArgv: [],
    env: cleanEnvironment(),
  });
  const child = host;
  const end = `end of the command ${Math.random()}`;
  const handles = [child, child.channel, child.stdout, child.stderr] as unknown as Referenced[];
  for (const handle of handles) handle.ref();
  const ended: Promise<Answer> = new Promise((resolve) => {
    child.once("message", resolve as (answer: unknown) => void);
    child.once("close", (code) => resolve({ code: code ?? -1, left: [] }));
  });
  child.send({ program, args, env, end } satisfies Asked);
  const [stdout, stderr, { code, left }] = await Promise.all([
    output(child.stdout as NodeJS.ReadableStream, end),
    output(child.stderr as NodeJS.ReadableStream, end),
    ended,
  ]);
  child.removeAllListeners();
  if (child.connected) for (const handle of handles) handle.unref();
  else host = undefined;
  assert.deepEqual(left, [], `${program} ${args.join(" ")} would not have ended`);
  return { code, stdout, stderr };
}

/** What keeps our process alive, or not. */
type Referenced = { ref(): void; unref(): void };

/** What comes before `end`, or all when the command ends its process. */
function output(stream: NodeJS.ReadableStream, end: string): Promise<string> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    const settle = (text: string) => {
      stream.off("data", onData).off("end", onEnd);
      resolve(text);
    };
    const printed = () => Buffer.concat(chunks).toString("utf8");
    const onEnd = () => settle(printed());
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      if (printed().endsWith(end)) settle(printed().slice(0, -end.length));
    };
    stream.on("data", onData).on("end", onEnd);
  });
}

/** Fails unless the command gave up with code 1 and these lines on stderr: nothing else, no stack trace. */
export function assertGivesUp({ code, stderr }: Finished, ...lines: RegExp[]): void {
  assert.equal(code, 1, stderr);
  const said = stderr.replace(/\n$/, "").split("\n");
  assert.equal(said.length, lines.length, stderr);
  for (const [nth, line] of lines.entries()) assert.match(said[nth] ?? "", line);
  assert.doesNotMatch(stderr, /^ +at /m);
}
