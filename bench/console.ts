import { startConsole } from "../dev/console.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { openFleet } from "./support/kept_fleet.ts";
import { someWho } from "./support/questions.ts";

const asked = 30;
const runs = 5;

/** Pages about the fleet; those that count every decision of it are in `counted`. */
const fleetPages = [
  ...["/", "/new", "/new?org_id=1", "/clusters", "/rules", "/policies", "/silences", "/deliveries"],
  ...["/deliveries?view=dead", "/rejected", "/rejected?view=hours", "/storage", "/acts"],
];
const counted = ["/new?view=reason", "/new?view=rule", "/new?view=organization"];

/**
 * How long the console takes to answer with each page, from request to last byte, on a fleet of 1,000,000
 * clusters, times `scale`, that was surveyed within a day.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(300, Math.round(1_000_000 * scale));
  await using servers = await openBenchServers({ kafka: false });
  await using fleet = await openFleet(servers, clusters);
  await using client = await connect(fleet.url);
  const machine = { ...(await settings(client)), clusters };
  await survey(client);
  await using open = await startConsole(fleet.url);
  const some = await someWho(client, asked, "console");
  const results: Result[] = [await timedPages("a cluster", open.url, clusterPages(some))];
  for (const at of fleetPages) results.push(await timedPages(at, open.url, Array(runs).fill(at)));
  for (const at of counted) results.push(await timedPages(at, open.url, [at]));
  return { results, ratios: {}, machine };
}

/** What workers have done where the console is open: counted the fleet, and answered the surveys. */
async function survey(client: Awaited<ReturnType<typeof connect>>): Promise<void> {
  await client.query("select ccx.count_fleet(now())");
  for (const kind of ["decisions", "noise"]) {
    const { rows } = await client.query("select ask_survey($1, at_most_old => '1 day') as id", [kind]);
    for (let isLeft = true; isLeft; ) {
      const part = await client.query("select run_survey_part($1) as part", [rows[0]?.id]);
      isLeft = part.rows[0]?.part !== null;
    }
  }
}

const clusterPages = (some: Awaited<ReturnType<typeof someWho>>) =>
  some.map(({ cluster }) => `/clusters/${encodeURIComponent(cluster)}`);

/** The first page counts with the rest only if it is the only one: it fills the caches. */
async function timedPages(name: string, url: string, pages: string[]): Promise<Result> {
  const figures: number[] = [];
  const [first, ...others] = pages;
  for (const at of others.length > 0 ? pages : [first]) {
    const start = performance.now();
    const answer = await fetch(url + at);
    await answer.text();
    const ms = performance.now() - start;
    // a page that the database gave up on is worth the time it took
    figures.push(ms);
    if (ms > 20_000) break;
  }
  return result(name, "ms", figures.length > 1 ? figures.slice(1) : figures);
}
