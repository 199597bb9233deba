import { mkdir } from "node:fs/promises";
import path from "node:path";
import puppeteer from "puppeteer-core";
import { report } from "../src/cli.ts";
import { migrate } from "../src/db/migrate.ts";
import { createPool } from "../src/db/pool.ts";
import { ConfigurationError } from "../src/errors.ts";
import { createLogger } from "../src/log.ts";
import { chromium, chromiumArguments, howToGetChromium, startConsole } from "./console.ts";
import { fillSampleWeek, sampleNow } from "./samples/week.ts";
import { startStack } from "./stack/stack.ts";

const widths = { phone: 360, desk: 1440 };
const schemes = ["light", "dark"] as const;
/** A long table goes on like its beginning. */
const mostPixels = 2_400;
const ofReadme = path.join(import.meta.dirname, "../docs/pictures");

/**
 * A picture of each page, from its head down, of the console at two widths, light and dark, on sample data, in a folder. With
 * DATABASE_URL of a database that has some, of that one. With `--readme`, the two of README.md are taken anew.
 */
async function main([folder]: string[]): Promise<void> {
  if (folder === undefined)
    throw new ConfigurationError(
      "Name the folder: npm run screenshots -- DIR, or --readme for README.md's own.",
    );
  const executablePath = chromium();
  if (executablePath === undefined) throw new ConfigurationError(`No picture: ${howToGetChromium}.`);
  await using owned = new AsyncDisposableStack();
  const databaseUrl = process.env.DATABASE_URL ?? (await filled(owned));
  const pool = createPool({ databaseUrl, size: 1, name: "ccx screenshots", log: createLogger("silent") });
  owned.defer(() => pool.end());
  const { rows } = await pool.query<
    Record<"cluster" | "id" | "rejected" | "rule" | "issue" | "target", string>
  >(
    `select n.cluster, n.id, (select min(id) from rejected_message where reason = 'not_json') as rejected,
       (select o.id from notified_issue i join issue o on o.id = i.issue_id
        where i.notification_id = n.id and o.closed_at is null limit 1) as issue,
       (select t.name from event_targets t where t.id = n.target_id) as target,
       (select r.rule_name from notified_issue i join issue on issue.id = i.issue_id join rule r on r.id = issue.rule_id
        where i.notification_id = n.id limit 1) as rule
     from notification n
     where n.state = 'sent' and exists (
       select from notified_issue i join issue o on o.id = i.issue_id
       where i.notification_id = n.id and o.closed_at is null)
     order by n.decided_at limit 1`,
  );
  const [found] = rows;
  if (!found) throw new ConfigurationError("The database of DATABASE_URL has no sample data.");
  const open = owned.use(await startConsole(databaseUrl));
  const browser = await puppeteer.launch({ executablePath, args: chromiumArguments });
  owned.defer(() => browser.close());
  const pages = {
    overview: "/",
    new: "/new",
    new_by_reason: "/new?view=reason",
    notified: "/clusters",
    cluster: `/clusters/${found.cluster}`,
    text: `/clusters/${found.cluster}/text?${new URLSearchParams({ issue: found.issue, target: found.target })}`,
    message: `/messages/${found.id}`,
    rules: "/rules",
    rule: `/rules/${found.rule}`,
    policies: "/policies",
    policy_history: "/policies?view=history",
    silences: "/silences",
    silence: "/silences?view=add",
    deliveries: "/deliveries",
    dead: "/deliveries?view=dead",
    circuit: "/deliveries?view=circuit",
    replay: "/deliveries?view=replay",
    rejected: "/rejected",
    rejected_message: `/rejected/${found.rejected}`,
    storage: "/storage",
    acts: "/acts",
    refused: "/new?org_id=twelve",
    missing: "/clusters/nobody",
  };
  const page = await browser.newPage();
  // a machine that is busy besides needs more than the half minute of puppeteer
  page.setDefaultTimeout(300_000);
  const go = async (at: string) => {
    const answer = await page.goto(`${open.url}${at}`, { waitUntil: "load" });
    const status = answer?.status() ?? 503;
    if (status >= 500) throw new Error(`${at} answered ${status}: there is nothing to take a picture of.`);
  };
  if (folder === "--readme") {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
    await page.setViewport({ width: 1200, height: 760 });
    await mkdir(ofReadme, { recursive: true });
    for (const name of ["overview", "cluster"] as const) {
      await go(pages[name]);
      await page.waitForFunction('document.querySelector("#live")?.textContent === "● live"');
      await page.screenshot({ path: path.join(ofReadme, `${name}.png`) as `${string}.png` });
    }
    console.log(`The two pictures of README.md are in ${path.relative(process.cwd(), ofReadme)}`);
    return;
  }
  await mkdir(folder, { recursive: true });
  for (const scheme of schemes) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    for (const [width, pixels] of Object.entries(widths)) {
      await page.setViewport({ width: pixels, height: 900 });
      const shoot = async (name: string) => {
        // pages that follow what happens say so once they are connected
        await page.waitForFunction(
          '!document.querySelector("[data-live]") || document.querySelector("#live").textContent === "● live"',
        );
        const height = Number(await page.evaluate("document.documentElement.scrollHeight"));
        await page.screenshot({
          path: path.join(folder, `${name}-${width}-${scheme}.png`) as `${string}.png`,
          captureBeyondViewport: true,
          clip: { x: 0, y: 0, width: pixels, height: Math.min(height, mostPixels) },
        });
      };
      for (const [name, at] of Object.entries(pages)) {
        await go(at);
        await shoot(name);
      }
      await go("/policies?view=try");
      await page.type("#set-total_risk_threshold", "3");
      await Promise.all([page.waitForNavigation({ timeout: 120_000 }), page.click('button[value="try"]')]);
      await shoot("policy_tried");
      console.log(`${scheme}, ${pixels} pixels: ${Object.keys(pages).length + 1} pictures in ${folder}`);
    }
  }
}

/** A server of its own with a week of sample data. */
async function filled(owned: AsyncDisposableStack): Promise<string> {
  console.log("… a week of sample data is made, which takes a minute");
  // nothing is consumed, so no broker is needed
  const server = await startStack({ kafkaBrokers: "127.0.0.1:9" });
  owned.defer(() => server.stop());
  const log = createLogger("warn");
  await migrate(server.databaseUrl, log);
  const pool = createPool({ databaseUrl: server.databaseUrl, size: 4, name: "ccx samples", log });
  try {
    await fillSampleWeek(pool, { later: Math.floor((Date.now() - Date.parse(sampleNow)) / 86_400_000) });
  } finally {
    await pool.end();
  }
  return server.databaseUrl;
}

if (process.argv[1] === import.meta.filename)
  await main(process.argv.slice(2)).catch((error) => {
    process.exitCode = report(error);
  });
