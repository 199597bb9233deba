import type { Pool } from "pg";
import type { Logger } from "../log.ts";
import * as sql from "./sql.ts";

/** Beyond this, a person should look after a clock. */
const tolerableMs = 60_000;
const lookEveryMs = 60_000;

/**
 * The database's clock. Whether a report is from the future is asked of it, since the clock of one consumer
 * that is slow must not decide over the data of others.
 */
export class DatabaseClock {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #local: () => number;
  #aheadMs = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLoud = false;

  /** @param local this machine's clock, in milliseconds since 1970 */
  constructor(pool: Pool, log: Logger, local: () => number = Date.now) {
    this.#pool = pool;
    this.#log = log;
    this.#local = local;
  }

  /** What time it is for the database, by this machine's clock and what they differed by last. */
  readonly now = (): Date => new Date(this.#local() + this.#aheadMs);

  /**
   * Looks at the database's clock, once a minute. Says so when the two clocks differ by more than a minute,
   * and when they no longer do. Rejects with what `pg` throws.
   */
  async look(): Promise<void> {
    const asked = performance.now();
    if (asked - this.#lookedAt < lookEveryMs) return;
    const time = Date.parse(await sql.databaseTime(this.#pool));
    // half of the way there and back
    this.#aheadMs = time - (this.#local() - (performance.now() - asked) / 2);
    this.#lookedAt = asked;
    const isLoud = Math.abs(this.#aheadMs) > tolerableMs;
    const databaseIsAheadMs = Math.round(this.#aheadMs);
    if (isLoud)
      this.#log.error(
        { databaseIsAheadMs },
        "the clocks of this machine and of the database differ by more than a minute; the database's counts",
      );
    else if (this.#isLoud) this.#log.info({ databaseIsAheadMs }, "the clocks agree again");
    this.#isLoud = isLoud;
  }
}
