import type { Pool } from "pg";
import * as sql from "./sql.ts";

/**
 * Answers parts of surveys until none waits, as many at a time as `atOnce`; other processes take others.
 * Rejects with what `pg` throws; parts that were under way are taken again by whoever is next.
 */
export async function takeParts(
  pool: Pool,
  { atOnce, signal }: { atOnce: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const take = async (): Promise<void> => {
    while (!signal?.aborted && (await sql.runSurveyPart(pool)));
  };
  const takers = await Promise.allSettled(Array.from({ length: atOnce }, take));
  for (const taker of takers) if (taker.status === "rejected") throw taker.reason;
}
