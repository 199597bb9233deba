import type { Pool } from "pg";
import { type WhileAway, whileAway } from "./while_away.ts";

export type Comparison = {
  /** Compares once the database answers; a comparison that is under way will do. */
  start(): void;
  /** From now on lost connections are no matter; what is under way ends with its signal. */
  end(): void;
};

/**
 * Has `compare` called when the pool has lost connections and the database answers again: a stand-by without
 * the last transactions may have taken over. What it rejects with, whoever asks the database next gets to
 * see.
 */
export function compareAfterLoss(
  pool: Pool,
  compare: () => Promise<unknown>,
  patience: Omit<WhileAway, "isWanted">,
): Comparison {
  let isComparing = false;
  const start = async () => {
    if (isComparing) return;
    isComparing = true;
    await whileAway(compare, { ...patience, isWanted: () => !patience.signal.aborted }).catch(
      () => undefined,
    );
    isComparing = false;
  };
  const lost = () => void start();
  pool.on("error", lost);
  return { start: lost, end: () => void pool.off("error", lost) };
}
