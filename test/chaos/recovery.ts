import { setTimeout as sleep } from "node:timers/promises";
import type { Feed } from "./feed.ts";
import type { Kind } from "./plan.ts";
import type { Stage } from "./stage.ts";

type Waiting = {
  kind: Kind;
  since: number;
  /** what has to be stored: partition → first offset after it */
  ends: Map<number, number>;
  storedAt?: number;
  decidedAt?: number;
};

/** Times in milliseconds since 1970; Infinity where nothing waits. */
type State = {
  now: number;
  offsets: Record<string, number>;
  unstoredUploadSince: number;
  undecidedSince: number;
  unsentSince: number;
};

/**
 * Watches how long it takes after each fault until everything that had come in when it ended is stored,
 * decided and sent; faults that come meanwhile count along.
 */
export class Recovery {
  longestMs = 0;
  longestOf: Kind | undefined;
  /** The same for the first steps alone. */
  longestUntil = { storedMs: 0, decidedMs: 0 };
  readonly #stage: Stage;
  readonly #feed: Feed;
  #waiting: Waiting[] = [];
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(stage: Stage, feed: Feed) {
    this.#stage = stage;
    this.#feed = feed;
    this.#done = this.#watch();
    this.#done.catch(() => undefined);
  }

  /** A fault has just been made good. */
  healed(kind: Kind): void {
    this.#waiting.push({ kind, since: Date.now(), ends: new Map(this.#feed.ends) });
  }

  /** Resolves when all is recovered: call it after the quiet phase. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = [];
    await this.stop();
  }

  async #watch(): Promise<void> {
    while (!this.#stopped || this.#waiting.length > 0) {
      await sleep(500);
      const state = await this.#state().catch(() => undefined);
      if (state) this.#waiting = this.#waiting.filter((waiting) => !this.#isOver(waiting, state));
    }
  }

  /** Where there are cells, each has read the topic up to an offset of its own: the lowest one counts. */
  async #state(): Promise<State> {
    const cells = await this.#stage.inCells(
      `select extract(epoch from clock_timestamp()) * 1000 as now,
         (select coalesce(json_object_agg(partition, next_offset), '{}') from consumer_offset
          where topic = $1) as offsets,
         (select extract(epoch from min(received_at)) * 1000 from chaos.upload_under_way) as upload,
         (select extract(epoch from min(due_at)) * 1000 from decision_due) as undecided,
         (select extract(epoch from min(decided_at)) * 1000 from notification where state = 'pending') as unsent`,
      [this.#stage.topics.results],
    );
    const earliest = (name: string) =>
      Math.min(
        ...cells.map(({ [name]: time }) => (time === null || time === undefined ? Infinity : Number(time))),
      );
    const all = cells.map(({ offsets }) => offsets as Record<string, number>);
    const partitions = new Set(all.flatMap((offsets) => Object.keys(offsets)));
    return {
      now: earliest("now"),
      offsets: Object.fromEntries(
        [...partitions].map((name) => [name, Math.min(...all.map((offsets) => Number(offsets[name] ?? 0)))]),
      ),
      unstoredUploadSince: earliest("upload"),
      undecidedSince: earliest("undecided"),
      unsentSince: earliest("unsent"),
    };
  }

  #isOver(waiting: Waiting, state: State): boolean {
    const stored =
      state.unstoredUploadSince > waiting.since &&
      [...waiting.ends].every(([partition, end]) => Number(state.offsets[partition] ?? 0) >= end);
    const tookMs = state.now - waiting.since;
    const { longestUntil } = this;
    if (stored && waiting.storedAt === undefined) {
      waiting.storedAt = state.now;
      longestUntil.storedMs = Math.max(longestUntil.storedMs, tookMs);
    }
    if (waiting.storedAt === undefined || state.undecidedSince <= waiting.storedAt) return false;
    if (waiting.decidedAt === undefined) {
      waiting.decidedAt = state.now;
      longestUntil.decidedMs = Math.max(longestUntil.decidedMs, tookMs);
    }
    if (state.unsentSince <= waiting.decidedAt) return false;
    if (tookMs > this.longestMs) {
      this.longestMs = tookMs;
      this.longestOf = waiting.kind;
    }
    return true;
  }
}
