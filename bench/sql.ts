import type pg from "pg";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { rolledBack } from "./support/changed_clusters.ts";
import { openFleet } from "./support/kept_fleet.ts";
import { type Question, questions, someWho } from "./support/questions.ts";

const asked = 50;
const runs = 3;
/** A question about the fleet that takes longer than this is given up. */
const mostMs = 120_000;

/**
 * The twelve questions of docs/guides/questions.md, as they stand there, to a fleet of 1,000,000 clusters,
 * times `scale`.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(300, Math.round(1_000_000 * scale));
  await using servers = await openBenchServers({ kafka: false });
  await using fleet = await openFleet(servers, clusters);
  await using client = await connect(fleet.url);
  const machine = { ...(await settings(client)), clusters };
  const results: Result[] = [];
  const ratios: Record<string, number> = {};
  for (const question of await questions(client)) {
    const isOne = question.about === "one cluster" || question.about === "one organization";
    const figure = await (isOne ? askMany : askFleet)(client, question);
    results.push(figure);
    if (figure.unit === "ms, given up") ratios.given_up = (ratios.given_up ?? 0) + 1;
  }
  return { results, ratios, machine };
}

/** Half of the answers about single clusters, or organizations, came within this. */
async function askMany(client: pg.Client, { title, about, statements }: Question): Promise<Result> {
  const some = await someWho(client, asked, title);
  const figures: number[] = [];
  // the first ones fill the caches
  for (const [nth, who] of [...some.slice(0, 10), ...some].entries()) {
    const start = performance.now();
    for (const statement of statements(who)) await client.query(statement);
    if (nth >= 10) figures.push(performance.now() - start);
  }
  return result(`${about}: ${title}`, "ms", figures);
}

async function askFleet(client: pg.Client, { title, about, statements }: Question): Promise<Result> {
  const figures: number[] = [];
  let givenUp = false;
  for (let run = 0; run <= runs && !givenUp; run++) {
    const start = performance.now();
    await rolledBack(client, async () => {
      await client.query(`set local statement_timeout = ${mostMs}`);
      for (const statement of statements()) await client.query(statement);
    }).catch((error) => {
      if (error.code !== "57014") throw error;
      givenUp = true;
    });
    const ms = performance.now() - start;
    // what takes long is asked once, the rest once more to begin with
    if (run > 0 || ms > 20_000) figures.push(ms);
    if (ms > 20_000) break;
  }
  return result(`${about}: ${title}`, givenUp ? "ms, given up" : "ms", figures);
}
