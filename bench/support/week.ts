import { readFile } from "node:fs/promises";
import type pg from "pg";
import { addResults } from "./results.ts";

/** A fleet that lives for some rounds of two hours each, with messages of so many bytes. */
export type Week = { clusters: number; rounds: number; bytes: number };

const incumbentRuns = 8;

/**
 * Fills a migrated, empty database with what is stored of a fleet's life, as if each round had happened in
 * its time, and the schema `incumbent` with what the incumbent would store of it. Vacuumed.
 */
export async function fillWeek(
  client: pg.ClientBase,
  { clusters, rounds, bytes }: Week,
  at = new Date(),
): Promise<void> {
  await addResults(client, at);
  for (const file of ["week.sql", "incumbent.sql"])
    await client.query(await readFile(new URL(file, import.meta.url), "utf8"));
  for (let round = 1 - rounds; round <= 0; round++) {
    await client.query("call bench.live($1, $2, $3)", [clusters, round, bytes]);
    await client.query("call bench.incumbent_stores($1, $2)", [round, incumbentRuns]);
    // as autovacuum does; without it the planner knows nothing of what came
    if ((round + rounds) % 6 === 1) await client.query("vacuum (analyze)");
  }
  await client.query("vacuum (analyze)");
}
