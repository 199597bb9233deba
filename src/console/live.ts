import type { ServerResponse } from "node:http";
import { z } from "zod";
import { type Listener, listen } from "../db/listen.ts";
import type { Logger } from "../log.ts";

const event = z.object({ event: z.string() });
const beatMs = 15_000;
/** For who sees one organization only: what others do, and when, does not show in a beat. */
const narrowedMs = 10_000;
const retryMs = 2_000;

type Watcher = { response: ServerResponse; isNarrowed: boolean };

/**
 * Notifies open pages that something happened, by server-sent events: one connection listens to the database
 * for all of them. An event says only what kind of thing happened; the page asks anew, with the rights of who
 * looks at it.
 */
export class Live {
  readonly #databaseUrl: string;
  readonly #log: Logger;
  readonly #watchers = new Set<Watcher>();
  readonly #timers: NodeJS.Timeout[];
  #listener: Listener | undefined;
  #starting: Promise<void> | undefined;
  #isAway = false;
  #isClosed = false;

  constructor(databaseUrl: string, log: Logger) {
    this.#databaseUrl = databaseUrl;
    this.#log = log;
    this.#timers = [
      setInterval(() => this.#each(() => true, ": still here\n\n"), beatMs),
      setInterval(() => this.#each(({ isNarrowed }) => isNarrowed, say("changed", "{}")), narrowedMs),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  /** Keeps this answer open, and sends it what happens. */
  add(response: ServerResponse, isNarrowed: boolean): void {
    const watcher = { response, isNarrowed };
    this.#watchers.add(watcher);
    response.on("close", () => this.#watchers.delete(watcher));
    response.write(`retry: ${retryMs}\n\n`);
    if (this.#isAway) response.write(say("trouble", "{}"));
    this.#starting ??= this.#start();
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const { response } of this.#watchers) response.end();
    await this.#listener?.close();
  }

  async #start(): Promise<void> {
    try {
      const listener = await listen(this.#databaseUrl, "ccx_events", {
        onPayload: (payload) => this.#happened(payload),
        onConnected: () => this.#turned(false),
        onTrouble: () => this.#turned(true),
      });
      if (this.#isClosed) await listener.close();
      else this.#listener = listener;
    } catch (error) {
      this.#log.debug({ error: String(error) }, "the console cannot listen yet");
      this.#turned(true);
      setTimeout(() => {
        if (!this.#isClosed) this.#starting = this.#start();
      }, retryMs).unref();
    }
  }

  #turned(isAway: boolean): void {
    if (isAway === this.#isAway) return;
    this.#isAway = isAway;
    this.#each(() => true, say(isAway ? "trouble" : "healed", "{}"));
  }

  #happened(payload: string): void {
    let kind = "other";
    try {
      kind = event.parse(JSON.parse(payload)).event;
    } catch {
      // somebody else notifies on our channel: something happened all the same
    }
    const data = JSON.stringify({ kind: kind.slice(0, 40) });
    this.#each(({ isNarrowed }) => !isNarrowed, say("changed", data));
  }

  #each(which: (watcher: Watcher) => boolean, text: string): void {
    for (const watcher of this.#watchers) if (which(watcher)) watcher.response.write(text);
  }
}

const say = (name: string, data: string) => `event: ${name}\ndata: ${data}\n\n`;
