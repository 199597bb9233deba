/** How long a portion may take before others no longer wait behind it. */
const defaultStuckAfterMs = 2_000;

/** So many portions are stored at the same time, besides those that are stuck, unless said otherwise. */
export const defaultAtATime = 2;

/** So many may be stuck beside them, each with a connection and its messages in memory. */
const mostStuck = 4;

/** A portion of a partition that is being stored, or was stored last. */
export class Portion {
  /** Whether it was stored in the end; does not reject. */
  readonly ended: Promise<boolean>;
  /** Resolves when it is stuck, if it ever is. */
  readonly stuck: Promise<void>;

  constructor(work: () => Promise<boolean>, stuckAfterMs: number) {
    const stuck = Promise.withResolvers<void>();
    this.stuck = stuck.promise;
    const timer = setTimeout(stuck.resolve, stuckAfterMs).unref();
    this.ended = work()
      .catch(() => false)
      .finally(() => clearTimeout(timer));
  }
}

/**
 * What is being stored, of all partitions: a few portions at a time. One that is stuck (it takes long, as
 * where somebody holds a lock) does not count among them, so that it stops nobody else.
 */
export class Storing {
  readonly #stuckAfterMs: number;
  readonly #atATime: number;
  readonly #onStuck: (partition: number, isStuck: boolean) => void;
  readonly #last = new Map<number, Portion>();
  readonly #running = new Set<Portion>();
  readonly #stuck = new Set<Portion>();
  #changed = Promise.withResolvers<void>();

  /** @param onStuck called when a partition is stuck, and when it is no longer */
  constructor(
    onStuck: (partition: number, isStuck: boolean) => void,
    {
      stuckAfterMs = defaultStuckAfterMs,
      atATime = defaultAtATime,
    }: { stuckAfterMs?: number | undefined; atATime?: number | undefined } = {},
  ) {
    this.#atATime = atATime;
    this.#onStuck = onStuck;
    this.#stuckAfterMs = stuckAfterMs;
  }

  /** The portion of this partition that is being stored, or was stored last; gone where it was given up. */
  of(partition: number): Portion | undefined {
    return this.#last.get(partition);
  }

  /** Whether one more may begin; if not, `changed` resolves when to ask again. */
  get hasRoom(): boolean {
    return this.#running.size - this.#stuck.size < this.#atATime;
  }

  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Resolves when nothing is under way; does not reject. */
  async ended(): Promise<void> {
    await Promise.all([...this.#running].map(({ ended }) => ended));
  }

  begin(partition: number, work: () => Promise<boolean>, onGivenUp: (partition: number) => void): void {
    const portion = new Portion(work, this.#stuckAfterMs);
    this.#last.set(partition, portion);
    this.#running.add(portion);
    void portion.stuck.then(() => {
      if (!this.#running.has(portion) || this.#stuck.size >= mostStuck) return;
      this.#stuck.add(portion);
      this.#onStuck(partition, true);
      this.#notify();
    });
    void portion.ended.then((stored) => {
      this.#running.delete(portion);
      if (!stored) {
        this.#last.delete(partition);
        onGivenUp(partition);
      }
      if (this.#stuck.delete(portion)) this.#onStuck(partition, false);
      this.#notify();
    });
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
