import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { GuardedProcess } from "./guard.ts";

/** How long a server may take until it answers: Kafka takes a minute and more on a machine that is overloaded. */
const startWithinMs = 180_000;

/** A server that was started, and can be taken away: for tests that need it to fail. */
export type Server = {
  /** of the process that runs now, or ran last */
  readonly pid: number;
  /** Ends it for good; it does not come back. */
  stop(): Promise<void>;
  /** Sends a signal to its process; resolves when the process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again after `kill`, on the same ports and data; resolves when it answers. */
  startAgain(): Promise<void>;
};

/**
 * Makes a server one that can be taken away.
 * @param again starts it anew on its ports and data; called again until what it started answers
 * @param answers asks it something; rejects for as long as it is not ready
 */
export function restartable(
  name: string,
  logFile: string,
  first: GuardedProcess,
  again: () => Promise<GuardedProcess>,
  answers: () => Promise<unknown>,
): Server {
  let current = first;
  return {
    get pid() {
      return current.pid;
    },
    stop: () => current.stop(),
    async kill(signal) {
      process.kill(current.pid, signal);
      await current.wait();
    },
    async startAgain() {
      for (const limit = Date.now() + startWithinMs; Date.now() < limit; await sleep(200)) {
        // What the last one left behind (its children, its port) may take a moment to go.
        current = await again();
        while (Date.now() < limit && current.result() === undefined) {
          if (await answers().then(Boolean, () => false)) return;
          await sleep(25);
        }
      }
      throw new Error(`${name} does not come back. The end of its log:\n${endOfLog(logFile)}`);
    },
  };
}

/**
 * Starts a server on free ports of the loopback interface and waits until it answers.
 * @param name how messages call it
 * @param start starts it on these ports; called again with others if somebody else was faster to take one
 * @param answers asks it something; rejects for as long as it is not ready
 * @returns the process, and what `answers` resolved to
 * @throws Error with the end of its log if it ends or does not answer in time; then it does not run any
 * more
 */
export async function startServer<T>(
  name: string,
  logFile: string,
  start: (ports: [number, number]) => Promise<GuardedProcess>,
  answers: (ports: [number, number]) => Promise<T>,
): Promise<{ process: GuardedProcess; answer: T }> {
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts();
    const server = await start(ports);
    let lastError: unknown;
    for (const limit = Date.now() + startWithinMs; Date.now() < limit && server.result() === undefined; ) {
      try {
        return { process: server, answer: await answers(ports) };
      } catch (error) {
        lastError = error;
        await sleep(25);
      }
    }
    const what = server.result() === undefined ? "does not answer" : `ended with ${server.result()}`;
    await server.stop();
    const log = endOfLog(logFile);
    if (attempt < 3 && /address already in use/i.test(log)) continue;
    throw new Error(`${name} ${what}. The end of its log:\n${log}`, { cause: lastError });
  }
}

/** The last lines of a log file, for messages. */
export function endOfLog(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}

async function freePorts(): Promise<[number, number]> {
  const [first, second] = await findPorts(2);
  return [first ?? 0, second ?? 0];
}

/** So many free ports of the loopback interface; held open together, so that they differ. */
export async function findPorts(count: number): Promise<number[]> {
  const holders = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    holders.map(async (holder) => {
      await once(holder.listen(0, "127.0.0.1"), "listening");
      const address = holder.address();
      return typeof address === "object" && address ? address.port : 0;
    }),
  );
  await Promise.all(holders.map((holder) => once(holder.close(), "close")));
  return ports;
}
