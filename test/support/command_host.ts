import { setTimeout as delay } from "node:timers/promises";
import type { Answer, Asked, Program } from "./command.ts";

/** The entry of each command; only those that are asked for are loaded. */
const entries: Record<Program, () => Promise<{ main(argv: string[]): Promise<void> }>> = {
  ccx: () => import("../../src/cli.ts"),
  "ccx-notification-service": () => import("../../src/compat/service/main.ts"),
  "ccx-notification-writer": () => import("../../src/compat/writer/main.ts"),
  "insights-results-aggregator": () => import("../../src/compat/aggregator/main.ts"),
};

/**
 * Runs one command after the other in this process, as test/support/command.ts asks: what a command costs is
 * then what it does, not the start of Node. The end of a command's output is the text that came with the
 * request, on stdout and on stderr.
 */
process.on("message", async ({ program, args, env, end }: Asked) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.exitCode = undefined;
  const { main } = await entries[program]();
  const before = open();
  await main([process.execPath, program, ...args]);
  const answer: Answer = { code: Number(process.exitCode ?? 0), left: await left(before) };
  process.stdout.removeAllListeners("error");
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.removeAllListeners(signal);
  process.stdout.write(end);
  process.stderr.write(end);
  process.send?.(answer);
});
process.on("disconnect", () => process.exit());

/** What would keep a process alive, by name. */
const open = () => process.getActiveResourcesInfo().filter((name) => !/^(Pipe|TTY|FS|Immediate)/.test(name));

/** What a command has left open after five seconds: in a process of its own, it would not have ended. */
async function left(before: string[]): Promise<string[]> {
  for (let waited = 0; waited < 5_000; waited += 5) {
    if (open().length <= before.length) return [];
    await delay(5, undefined, { ref: false });
  }
  return open();
}
