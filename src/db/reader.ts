import type { Pool } from "pg";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";
import { codeOf, troubleOf } from "./errors.ts";
import { createPool, endPool } from "./pool.ts";

/** The server that answers: the primary, or a standby. */
export type Answering = {
  pool: Pool;
  /** Of a standby: a connection to cancel statements with. */
  canceller?: Pool;
  /** Of a standby: how old its answer is at most. */
  ageSeconds?: number;
};

/** Where questions go. */
export type Reader = {
  /**
   * Asks the standby while it is fresh enough, else the primary; once more the primary, where the standby
   * fails in the middle. `work` may only read. Rejects with what `work` rejects with.
   */
  read<T>(work: (server: Answering) => Promise<T>): Promise<T>;
  /** This process has written: until a standby is sure to have it, the primary answers. */
  wrote(): void;
  /** Closes the connections to the standby; those to the primary are not its own. */
  end(): Promise<void>;
};

export type ReaderOptions = {
  primary: Pool;
  /** undefined: the primary answers everything */
  readUrl: string | undefined;
  maxAgeSeconds: number;
  size: number;
  name: string;
  log: Logger;
};

/** How long what a standby said of its age is believed. */
const believedMs = 1_000;
/** How long a standby that did not answer is left alone. */
const leftAloneMs = 5_000;
/** How long it may take to say its age. */
const answerWithinMs = 1_000;

/** Sends questions to a standby (`CCX_DATABASE_READ_URL`) that is fresh enough, or to the primary. */
export function createReader({ primary, readUrl, maxAgeSeconds, size, name, log }: ReaderOptions): Reader {
  if (readUrl === undefined)
    return { read: (work) => work({ pool: primary }), wrote() {}, end: async () => undefined };
  const standby = createPool({ databaseUrl: readUrl, size, name: `${name}, standby`, log });
  const asking = createPool({
    ...{ databaseUrl: readUrl, size: 1, name: `${name}, age of the standby`, log },
    statementTimeoutMs: answerWithinMs,
    connectWithinMs: answerWithinMs,
  });
  let said: Promise<number | undefined> | undefined;
  let saidAt = 0;
  let aloneUntil = 0;
  let wroteAt = Number.NEGATIVE_INFINITY;
  let isUsed: boolean | undefined;

  const leaveAlone = (error: unknown): undefined => {
    aloneUntil = performance.now() + leftAloneMs;
    if (isUsed !== false)
      log.warn({ error: messageOf(error) }, "the standby does not answer; the primary does");
    isUsed = false;
  };
  const askAge = async (): Promise<number | undefined> => {
    try {
      const { rows } = await asking.query("select ccx.replica_age() as age");
      const age = rows[0]?.age as number | null;
      // a standby that was promoted: it may be the new primary, and as likely one that is cut off
      if (age === null) return leaveAlone(new Error("CCX_DATABASE_READ_URL is no standby"));
      const isFresh = age <= maxAgeSeconds;
      if (isFresh !== isUsed)
        log.info(
          { ageSeconds: age, maxAgeSeconds },
          `the ${isFresh ? "standby" : "primary"} answers questions`,
        );
      isUsed = isFresh;
      return age;
    } catch (error) {
      return leaveAlone(error);
    }
  };
  /** Its age now, where it may be asked. */
  const freshAge = async (): Promise<number | undefined> => {
    const now = performance.now();
    if (now < aloneUntil || now - wroteAt <= maxAgeSeconds * 1_000) return undefined;
    if (said === undefined || now - saidAt > believedMs) {
      saidAt = now;
      said = askAge();
    }
    const age = await said;
    const older = age === undefined ? undefined : age + (performance.now() - saidAt) / 1_000;
    return older !== undefined && older <= maxAgeSeconds ? older : undefined;
  };
  return {
    async read(work) {
      const age = await freshAge();
      if (age === undefined) return work({ pool: primary });
      try {
        return await work({ pool: standby, canceller: asking, ageSeconds: age });
      } catch (error) {
        if (!isOfStandby(error)) throw error;
        if (codeOf(error) !== cancelledByRecovery) leaveAlone(error);
        return work({ pool: primary });
      }
    },
    wrote() {
      wroteAt = performance.now();
    },
    async end() {
      await endPool(standby);
      await endPool(asking);
    },
  };
}

/** What the standby replays needed rows that the question was reading. */
const cancelledByRecovery = "40001";

/** Whether the primary may well answer what the standby did not. */
const isOfStandby = (error: unknown): boolean =>
  codeOf(error) === cancelledByRecovery || ["away", "setup"].includes(troubleOf(error));
