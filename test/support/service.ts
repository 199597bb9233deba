import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { until } from "./until.ts";

export const ccx = new URL("../../bin/ccx.js", import.meta.url).pathname;

export type LogLine = { level: string; msg: string } & Record<string, unknown>;
export type Ended = { code: number | null; signal: NodeJS.Signals | null };

/**
 * What a child gets: ours, without what would lead it to other servers or make it part of this test run. Many
 * run at once, so none opens a port unless the test gives it one.
 */
export function cleanEnvironment(env: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const ours = Object.entries(process.env).filter(
    ([name]) => !/^(CCX_|TEST_|DATABASE_URL|KAFKA_BROKERS|NODE_TEST_CONTEXT|NODE_OPTIONS)/.test(name),
  );
  return { ...Object.fromEntries(ours), CCX_HTTP_PORT: "0", ...env };
}

/** The real service, as a process of its own. */
export class Service {
  readonly lines: LogLine[] = [];
  stderr = "";
  readonly #child;
  readonly #ended: Promise<Ended>;
  hasEnded = false;

  /**
   * @param preload a module that the process loads before the service, to have it killed at a certain point
   */
  constructor(
    command: "run" | "analyze" | "consume" | "work" | "serve",
    env: Record<string, string | undefined>,
    preload?: string,
  ) {
    const options = preload ? ["--import", new URL(preload, import.meta.url).href] : [];
    this.#child = spawn(process.execPath, [...options, ccx, command], {
      stdio: ["ignore", "pipe", "pipe"],
      env: cleanEnvironment(env),
    });
    this.#child.stderr.setEncoding("utf8").on("data", (chunk) => {
      this.stderr += chunk;
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.lines.push(line.startsWith("{") ? JSON.parse(line) : { level: "none", msg: line });
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  /** The memory that it has resident, in bytes (Linux). */
  memory(): Promise<number> {
    return this.#status("VmRSS");
  }

  /** The most memory that it has had resident so far, in bytes (Linux). */
  peakMemory(): Promise<number> {
    return this.#status("VmHWM");
  }

  async #status(name: string): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  }

  /** The lines with this message so far. */
  said(msg: string): LogLine[] {
    return this.lines.filter((line) => line.msg === msg);
  }

  /**
   * Waits until the service has written `count` lines with this message; fails at once when it has ended
   * before.
   */
  async says(msg: string, count = 1): Promise<LogLine> {
    return until(`${count} × “${msg}”`, () => {
      const line = this.said(msg)[count - 1];
      if (!line && this.hasEnded) throw new Error(`the service ended before it said “${msg}”`);
      return line as LogLine;
    });
  }

  /** The counts of all “ingested” lines, added up. */
  ingested(): Record<"stored" | "replaced" | "unchanged" | "rejected" | "skipped", number> {
    const total = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, skipped: 0 };
    for (const line of this.said("ingested"))
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += Number(line[name]);
    return total;
  }

  /** The same, once it speaks of `messages` messages: the line is written a moment after the commit. */
  async ingestedAll(messages: number): Promise<ReturnType<Service["ingested"]>> {
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
    await until(`${messages} messages are ingested`, () => sum(this.ingested()) >= messages);
    return this.ingested();
  }

  /** Waits until it has ended by itself. */
  async ends(): Promise<Ended> {
    await until("the service ends", () => this.hasEnded);
    return this.#ended;
  }

  /** SIGTERM, without waiting for what comes of it. */
  askToStop(): void {
    this.#child.kill("SIGTERM");
  }

  /** SIGTERM; fails unless it then ends with code 0 within `timeoutMs`. */
  async stop(timeoutMs = 20_000): Promise<void> {
    const ended = await this.#end("SIGTERM", timeoutMs);
    assert.deepEqual(ended, { code: 0, signal: null }, this.stderr);
  }

  /** Lets it stand still: it keeps its place in the group and its connections, and does nothing. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  /** kill -9, if it still runs. */
  async kill(): Promise<void> {
    if (!this.hasEnded) await this.#end("SIGKILL", 10_000);
  }

  /** kill -9 without waiting: for the end of our own process. */
  abandon(): void {
    this.#child.kill("SIGKILL");
  }

  async #end(signal: NodeJS.Signals, timeoutMs: number): Promise<Ended> {
    this.#child.kill(signal);
    await until(`the service ends by ${signal}`, () => this.hasEnded, timeoutMs);
    return this.#ended;
  }
}
