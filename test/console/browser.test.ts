import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import {
  chromium,
  chromiumArguments,
  howToGetChromium,
  type OpenConsole,
  startConsole,
} from "../../dev/console.ts";
import { addReport, decideDue, loadContent, setPolicy, someContent, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { allPages, fillConsole, mine } from "./scene.ts";

type Shown = { textContent: string | null; innerText: string };
/** Of the page, where what is evaluated runs. */
declare const document: {
  querySelector(selector: string): Shown | null;
  querySelectorAll(selector: string): { length: number };
  documentElement: { scrollWidth: number; outerHTML: string };
};

const executablePath = chromium();
const database = testDatabase();

describe("the console in a browser", { skip: executablePath === undefined && howToGetChromium }, () => {
  let open: OpenConsole;
  let browser: Browser;
  let page: Page;
  let rejected: string;
  const troubles: string[] = [];

  before(async () => {
    ({ rejected } = await fillConsole(database.pool));
    open = await startConsole(database.url);
    browser = await puppeteer.launch({ executablePath: String(executablePath), args: chromiumArguments });
    page = await browser.newPage();
    page.on("pageerror", (error) => troubles.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) troubles.push(message.text());
    });
    page.on("dialog", async (dialog) => {
      troubles.push(`a script ran: ${dialog.message()}`);
      await dialog.dismiss();
    });
  });
  after(async () => {
    await browser?.close();
    await open?.[Symbol.asyncDispose]();
  });

  const go = (at: string) => page.goto(open.url + at, { waitUntil: "domcontentloaded" });
  const text = () => page.$eval("main", (main) => (main as unknown as Shown).innerText);
  const press = async (selector: string) => {
    await Promise.all([page.waitForNavigation({ waitUntil: "domcontentloaded" }), page.click(selector)]);
  };

  test("a person finds out why, tries a policy, applies it and sees it live, silences, redrives, retries", async () => {
    await go("/clusters");
    await page.type("#cluster-id", mine.cluster);
    await press('form[action="/console/clusters"] button');
    assert.match(await text(), /nothing is known about the rule \(no_content\)/);
    const box = await page.$eval("svg.life", (drawing) => {
      const { left, top, width } = drawing.getBoundingClientRect();
      return { left, top, width };
    });
    await Promise.all([
      page.waitForNavigation({ waitUntil: "domcontentloaded" }),
      page.mouse.click(box.left + box.width / 2, box.top + 30),
    ]);
    assert.match(page.url(), /at=20/);
    assert.match(await text(), /had no open issue/);

    await go("/policies?view=try");
    await page.type("#set-total_risk_threshold", "4");
    await press('button[value="try"]');
    assert.match(await text(), /below_threshold/);
    await page.type("#p-reason", "less noise, for the test");
    const watcher = await browser.newPage();
    await watcher.goto(`${open.url}/new?rule=disk`, { waitUntil: "domcontentloaded" });
    await watcher.waitForFunction(() => document.querySelector("#live")?.textContent?.includes("live"));
    assert.doesNotMatch(await watcher.$eval("main table", (main) => main.innerText), /below_threshold/);
    await page.bringToFront();
    await press('button[value="apply"]');
    assert.match(await text(), /less noise, for the test/);
    await watcher.bringToFront();
    await decideDue(database.pool, new Date().toISOString());
    await watcher.waitForFunction(() =>
      document.querySelector("main table")?.textContent?.includes("below_threshold"),
    );
    await watcher.close();
    await page.bringToFront();

    await go(`/silences?view=add&cluster=${mine.cluster}`);
    await page.type("#silence-for", "2 hours");
    await page.type("#silence-reason", "maintenance of the cluster");
    await press('button[value="preview"]');
    assert.match(await text(), /It would hold 2 open issues/);
    await press('button[value="add"]');
    assert.match(await text(), /The silence is in force/);
    await press('button[value="ask-end"]');
    await press('button[value="end"]');
    assert.match(await text(), /expired/);

    await go("/deliveries?view=dead");
    await page.click('input[name="id"]');
    await press('button[value="redrive"]');
    assert.match(await text(), /The messages are tried again/);
    assert.equal(
      await value(database.pool, "select count(*)::integer from notification where state = 'pending'"),
      1,
    );

    await go(`/rejected/${rejected}`);
    assert.equal(await page.$eval("mark.fault", (mark) => mark.id), "fault");
    await press('button[value="retry"]');
    assert.match(await text(), /stored by a retry/);
    const acts = await value(database.pool, "select array_agg(act order by id) from console_act");
    assert.deepEqual(acts, ["set policy", "silence", "end silence", "redrive", "retry rejected"]);
    assert.deepEqual(troubles, []);
  });

  test("a live connection that is lost is shown, and made again", async () => {
    await go("/");
    await page.waitForFunction(() => document.querySelector("#live")?.textContent === "● live");
    const { port } = open;
    await open[Symbol.asyncDispose]();
    await page.waitForFunction(() => document.querySelector("#live")?.textContent?.includes("not live"));
    open = await startConsole(database.url, {}, port);
    await page.waitForFunction(() => document.querySelector("#live")?.textContent === "● live");
  });

  test("hostile texts in every field that is shown neither run nor break the layout", async () => {
    const evil =
      `<script>alert(1)</script><img src=x onerror=alert(2)>"'\`\${alert(3)}{{=alert(4)}}\u202Ednim\u2066</td></table>` +
      "w".repeat(100_000);
    const short = evil.slice(0, 180);
    const { pool } = database;
    await loadContent(
      pool,
      [someContent("disk|KEY"), someContent("net|KEY", { description: evil, reason: evil, tags: [short] })],
      new Date().toISOString(),
    );
    await addReport(
      pool,
      mine.cluster,
      new Date().toISOString(),
      JSON.stringify({
        reports: [{ component: `a.b.${short}.report`, key: short, details: { error_key: short } }],
      }),
    );
    await pool.query("select add_silence(now() + interval '1 day', $1, tag => $2)", [evil, short]);
    await setPolicy(pool, "service log", { required_tags: [short] }, new Date().toISOString(), evil);
    await pool.query("update notification set last_error = $1, failure = 'client' where state <> 'sent'", [
      short,
    ]);
    await pool.query("update rejected_message set detail = $1, value = $2", [evil, Buffer.from(evil)]);
    await pool.query(
      "insert into console_act (person, act, details) values ($1, $1, jsonb_build_object($2::text, $1::text))",
      [evil, short],
    );
    await page.setViewport({ width: 360, height: 800 });
    for (const at of [
      ...allPages(mine.cluster),
      "/rules/net",
      "/policies/3",
      `/rejected/${rejected}`,
      `/clusters/${encodeURIComponent(short)}`,
      `/new?rule=${encodeURIComponent(short)}`,
    ]) {
      await go(at);
      const { wide, injected, size } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        injected: document.querySelectorAll("main script, main img, [onerror]").length,
        size: document.documentElement.outerHTML.length,
      }));
      assert.equal(injected, 0, at);
      assert.ok(wide <= 360, `${at} is ${wide} pixels wide`);
      assert.ok(size < 600_000, `${at}: ${size}`);
      assert.doesNotMatch(await page.content(), /[\u202E\u2066]/, at);
    }
    await page.setViewport({ width: 1280, height: 900 });
    assert.deepEqual(troubles, []);
  });

  test("axe finds nothing serious, by day and by night", async () => {
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    for (const scheme of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const at of [
        "/",
        "/new",
        `/clusters/${mine.cluster}`,
        "/policies?view=try",
        "/silences",
        "/deliveries?view=dead",
        `/rejected/${rejected}`,
        "/storage",
        "/new?org_id=x",
      ]) {
        await go(at);
        await page.evaluate(axe);
        const found = await page.evaluate(async () => {
          const { violations } = await (
            globalThis as unknown as {
              axe: {
                run(): Promise<{
                  violations: {
                    id: string;
                    impact: string;
                    nodes: { html: string; failureSummary: string }[];
                  }[];
                }>;
              };
            }
          ).axe.run();
          return violations
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(
              ({ id, nodes }) =>
                `${id}: ${nodes[0]?.html.slice(0, 300)} ${nodes[0]?.failureSummary.slice(0, 300)}`,
            );
        });
        assert.deepEqual(found, [], `${at} ${scheme}`);
      }
    }
  });

  test("without JavaScript every page still answers, and a form still acts", async () => {
    const plain = await browser.newPage();
    await plain.setJavaScriptEnabled(false);
    await plain.goto(`${open.url}/silences?view=add&org=77`);
    await plain.type("#silence-for", "1 hour");
    await plain.type("#silence-reason", "without a script");
    await Promise.all([plain.waitForNavigation(), plain.click('button[value="preview"]')]);
    await Promise.all([plain.waitForNavigation(), plain.click('button[value="add"]')]);
    await until("it is added", () => value(database.pool, "select true from silence where org_id = 77"));
    await plain.close();
  });
});
