import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import type { PoolClient } from "pg";
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
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";
import { allPages, fillConsole, mine } from "./scene.ts";

type Shown = {
  textContent: string | null;
  innerText: string;
  checkVisibility(): boolean;
  getBoundingClientRect(): { top: number };
};
type Typed = { value: string };
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

  test("what was edited after it was tried cannot be applied until it is tried again", async () => {
    const looks = () =>
      page.evaluate(`({
        said: document.querySelector("#untried").textContent,
        isOff: document.querySelector('button[value="apply"]').disabled,
      })`) as Promise<{ said: string; isOff: boolean }>;
    await go("/policies?view=try");
    await page.type("#set-max_events", "7");
    await press('button[value="try"]');
    assert.deepEqual(await looks(), { said: "", isOff: false });
    await page.type("#p-reason", "for the test");
    assert.deepEqual(await looks(), { said: "", isOff: false }, "the reason is no part of what was tried");
    await page.focus("#set-max_events");
    await page.keyboard.press("End");
    await page.keyboard.type("0");
    const { said, isOff } = await looks();
    assert.match(said, /the form was changed since/);
    assert.equal(isOff, true);
    await page.keyboard.press("Backspace");
    assert.deepEqual(await looks(), { said: "", isOff: false }, "it is as it was tried");
    await page.select("#p-target", "service log");
    assert.equal((await looks()).isOff, true);
    await press('button[value="try"]');
    assert.deepEqual(await looks(), { said: "", isOff: false });

    // who has no script is asked again by the server
    const plain = await browser.newPage();
    await plain.setJavaScriptEnabled(false);
    await plain.goto(`${open.url}/policies?view=try`);
    const submit = (selector: string) => Promise.all([plain.waitForNavigation(), plain.click(selector)]);
    await plain.type("#set-max_events", "7");
    await submit('button[value="try"]');
    await plain.focus("#set-max_events");
    await plain.keyboard.press("End");
    await plain.keyboard.type("0");
    await plain.type("#p-reason", "for the test");
    await submit('button[value="apply"]');
    assert.match(await plain.$eval("#problem", (it) => it.textContent ?? ""), /Nothing was applied/);
    assert.equal(await plain.$eval("#set-max_events", (it) => (it as unknown as Typed).value), "70");
    await plain.close();
    assert.equal(
      await value(database.pool, "select count(*)::integer from policies where max_events in (7, 70)"),
      0,
    );
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

  test("of two people who change the same policy, the second one sees what the first one did", async () => {
    const [first, second] = [await browser.newPage(), await browser.newPage()];
    const submit = (of: Page, selector: string) =>
      Promise.all([of.waitForNavigation({ waitUntil: "domcontentloaded" }), of.click(selector)]);
    for (const [nth, of] of [first, second].entries()) {
      await of.bringToFront();
      await of.goto(`${open.url}/policies?view=try`);
      await of.type("#set-cooldown", `${nth + 3} days`);
      await submit(of, 'button[value="try"]');
      await of.type("#p-reason", `asked for by person ${nth + 1}`);
    }
    await first.bringToFront();
    await submit(first, 'button[value="apply"]');
    await second.bringToFront();
    await submit(second, 'button[value="apply"]');
    const said = await second.$eval("main", (main) => (main as unknown as Shown).innerText);
    assert.match(said, /Somebody else changed this policy since you tried yours\. Nothing was applied/);
    assert.match(said, /asked for by person 1/);
    const cooldown = `select cooldown::text from policies
      where target = 'notifications backend' and org_id is null and rule_name is null`;
    assert.equal(await value(database.pool, cooldown), "3 days");
    assert.equal(
      await second.$eval("#p-reason", (it) => (it as unknown as Typed).value),
      "asked for by person 2",
    );
    await submit(second, 'button[value="apply"]');
    assert.equal(await value(database.pool, cooldown), "4 days");
    await Promise.all([first.close(), second.close()]);
    await page.bringToFront();
  });

  test("a database that is away shows, since when, and pages that are open heal by themselves", async () => {
    const url = new URL(database.url);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    url.hostname = "127.0.0.1";
    await using behind = await startConsole(url.href);
    const watcher = await browser.newPage();
    const live = (text: string) =>
      watcher.waitForFunction(`document.querySelector("#live")?.textContent === ${JSON.stringify(text)}`);
    await watcher.goto(`${behind.url}/silences`, { waitUntil: "domcontentloaded" });
    await live("● live");
    await proxy.refuse();
    await live("✖ the database is away");
    const away = await browser.newPage();
    await until("a page says so", async () => {
      const answer = await away.goto(`${behind.url}/rules`, { waitUntil: "domcontentloaded" });
      return answer?.status() === 503;
    });
    assert.match(await away.$eval("main", (main) => main.textContent ?? ""), /, since 20\d\d-/);
    await proxy.heal();
    await away.waitForFunction(
      () => document.querySelector("h1")?.textContent === "Rules in the last seven days",
    );
    await watcher.bringToFront();
    await live("● live");
    await Promise.all([away.close(), watcher.close()]);
    await page.bringToFront();
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
    await pool.query("update circuit set last_failure = 'client', last_error = $1, last_failed_at = now()", [
      evil,
    ]);
    await pool.query(
      "insert into stuck_cluster (org_id, cluster, reason, since, next_try_at, by_report) values ($1, $2, $3, now(), now(), true)",
      [mine.org, short, evil],
    );
    await pool.query("update retention set changed_by = $1", [evil]);
    await pool.query(
      `insert into storm (target_id, rule_name, began_at, cluster_limit, notified, ended_at, released, ended_by, reason)
       values (1, $2, now(), 1, 1, now(), false, $1, $1)`,
      [evil, short],
    );
    await pool.query("select acknowledge($1, 'disk|KEY', justification => $2)", [mine.org, short]);
    const [message, issue, at] = await Promise.all([
      value(pool, "select min(id) from notification where cluster = $1", [mine.cluster]),
      value(pool, "select max(i.id) from issue i join rule r on r.id = i.rule_id where r.error_key = $1", [
        short,
      ]),
      value(pool, "select max(updated_at)::text from new_reports where cluster = $1", [mine.cluster]),
    ]);
    const texts = new URLSearchParams({ issue: String(issue), target: "service log" });
    const report = new URLSearchParams({ org: String(mine.org), at: String(at) });
    const places = [
      ...allPages(mine.cluster),
      "/rules/net",
      "/policies/3",
      `/rejected/${rejected}`,
      `/clusters/${encodeURIComponent(short)}`,
      `/new?rule=${encodeURIComponent(short)}`,
      ...[`/messages/${message}`, `/clusters/${mine.cluster}/text?${texts}`],
      `/clusters/${mine.cluster}/report?${report}`,
    ];
    for (const at of places) {
      await page.setViewport({ width: 3840, height: 2160 });
      await go(at);
      const widest = await page.evaluate(() => document.documentElement.scrollWidth);
      await page.setViewport({ width: 360, height: 800 });
      const { wide, injected, size } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        injected: document.querySelectorAll("main script, main img, [onerror]").length,
        size: document.documentElement.outerHTML.length,
      }));
      assert.equal(injected, 0, at);
      assert.ok(wide <= 360, `${at} is ${wide} pixels wide`);
      assert.ok(widest <= 3840, `${at} is ${widest} pixels wide`);
      assert.ok(size < 600_000, `${at}: ${size}`);
      assert.doesNotMatch(await page.content(), /[\u202E\u2066]/, at);
    }
    await page.setViewport({ width: 1280, height: 900 });
    assert.deepEqual(troubles, []);
  });

  test("filters are folded on a phone until one is set, and a row is a card that names its values", async () => {
    const shownAt = async (width: number, at: string) => {
      await page.setViewport({ width, height: 900 });
      await go(at);
      return page.evaluate(() => ({
        filter: document.querySelector("#filter-org_id")?.checkVisibility(),
        sort: document.querySelector("#sort-by")?.checkVisibility(),
        head: document.querySelector(".cards thead")?.checkVisibility(),
        top: document.querySelector(".cards tbody tr")?.getBoundingClientRect().top ?? 0,
      }));
    };
    const { top, ...folded } = await shownAt(360, "/new");
    assert.deepEqual(folded, { filter: false, sort: false, head: false });
    assert.ok(top < 320, `the first row is at ${top}`);
    const { top: _low, ...narrowed } = await shownAt(360, `/new?org_id=${mine.org}`);
    assert.deepEqual(narrowed, { filter: true, sort: true, head: false });
    const { top: _high, ...wide } = await shownAt(1280, "/new");
    assert.deepEqual(wide, { filter: true, sort: false, head: true });

    await page.setViewport({ width: 360, height: 900 });
    await go("/silences");
    const label = await page.evaluate(
      `getComputedStyle(document.querySelector('.cards td[data-label="Ends at"]'), "::before").content`,
    );
    assert.equal(label, '"Ends at"');
    await page.focus("details.narrow > summary");
    await page.keyboard.press("Enter");
    await page.select("#sort-by", "ends_at");
    await Promise.all([page.waitForNavigation(), page.click("form.filters button")]);
    assert.match(page.url(), /sort=ends_at&dir=desc/);
    await page.setViewport({ width: 1280, height: 900 });
  });

  test("the keyboard reaches everything that can be used, in order, and shows where it is", async () => {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
    for (const at of ["/new", "/silences", "/policies?view=try", "/deliveries?view=dead"]) {
      await go(at);
      const wanted = await page.evaluate(`{
        const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
        [...document.querySelectorAll(all)].filter((it) => it.checkVisibility()).map((it, nth) => (it.nth = nth)).length;
      }`);
      const seen: unknown[] = [];
      for (let nth = 0; nth < Number(wanted); nth++) {
        await page.keyboard.press("Tab");
        const { at: place, isShown } = (await page.evaluate(`(() => {
          const style = getComputedStyle(document.activeElement);
          return {
            at: document.activeElement.nth,
            isShown: style.outlineStyle !== "none" || style.boxShadow !== "none",
          };
        })()`)) as { at: number; isShown: boolean };
        assert.ok(isShown, `${at}: nothing shows that the focus is at ${place}`);
        seen.push(place);
      }
      assert.deepEqual(
        seen,
        Array.from({ length: Number(wanted) }, (_, nth) => nth),
        at,
      );
    }
    await go("/new");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.match(page.url(), /#main$/);
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(`document.querySelector("main").contains(document.activeElement)`));
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
        ...["/silences?view=add", "/policies?view=history", "/rules/disk", "/clusters/nobody"],
        // as cards
        ...["/new", "/deliveries?view=dead"].map((one) => `${one}#phone`),
      ]) {
        await page.setViewport({ width: at.endsWith("#phone") ? 360 : 1280, height: 900 });
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

  describe("an answer that takes longer than a second", () => {
    const asked = `select count(*)::integer from pg_stat_activity
      where datname = current_database() and application_name = 'ccx console' and wait_event = 'advisory'`;
    const waiting = (count: number, what: string) =>
      until(what, async () => Number(await value(database.pool, asked)) === count, 10_000);
    let holder: PoolClient;
    let button: { x: number; y: number } | undefined;

    before(async () => {
      // a page about a rule, the preview of a silence and the life of a cluster wait until the lock is free
      await database.pool.query(
        `do $do$
         declare found regproc;
         begin
           foreach found in array array['ccx.rule_texts', 'preview_silence', 'ccx.cluster_life']::regproc[] loop
             execute replace(replace(pg_get_functiondef(found), 'AS $function$',
               'SET lock_timeout = 0 AS $function$ select pg_advisory_xact_lock_shared(12);'), ' STABLE', ' VOLATILE');
           end loop;
         end $do$`,
      );
      await page.exposeFunction("buttonIsAt", (x: number, y: number) => {
        button = { x, y };
      });
      await page.evaluateOnNewDocument(`addEventListener("DOMContentLoaded", () =>
        new MutationObserver(() => {
          const box = document.querySelector("#wait button")?.getBoundingClientRect();
          if (box?.width) buttonIsAt(box.left + box.width / 2, box.top + box.height / 2);
        }).observe(document.body, { childList: true }))`);
      holder = await database.pool.connect();
      await holder.query("select pg_advisory_lock(12)");
    });
    after(() => holder?.release(true));

    /**
     * The protocol of the browser holds what is asked of a page while an answer is awaited, so a script in it says
     * where the button is; the mouse and the keyboard work as a person's do.
     */
    const shownButton = async (act: () => Promise<unknown>): Promise<{ x: number; y: number }> => {
      button = undefined;
      // it ends once the page does
      act().catch(() => undefined);
      await until("the button is there", () => button !== undefined);
      await waiting(1, "the question waits");
      return button ?? assert.fail();
    };
    const isCancelled = async () => {
      await waiting(0, "it is cancelled in the database");
      await page.waitForFunction(() =>
        document.querySelector("#wait")?.textContent?.startsWith("Cancelled."),
      );
      assert.deepEqual(troubles, []);
    };

    test("a link shows that it waits, and a button cancels the question in the database, too", async () => {
      await go("/rules");
      const { x, y } = await shownButton(() => page.click('main a[href="/console/rules/disk"]'));
      await page.mouse.click(x, y);
      await isCancelled();
      assert.equal(await page.$eval("h1", (h1) => h1.textContent), "Rules in the last seven days");
      // the page goes on: it follows what happens, and its links lead on
      await page.waitForFunction(() => document.querySelector("#live")?.textContent === "● live");
      await Promise.all([page.waitForNavigation(), page.click('a[href="/console/silences"]')]);
      assert.equal(await page.$eval("h1", (h1) => h1.textContent), "Silences");
      assert.equal(await page.$("#wait"), null);
    });

    test("a form does, by a key as well, and what it sent is not done", async () => {
      await go("/clusters");
      await page.type("#cluster-id", mine.cluster);
      await shownButton(() => page.keyboard.press("Enter"));
      await page.keyboard.press("Escape");
      await isCancelled();
      assert.equal(await page.$eval("#cluster-id", (it) => (it as unknown as Typed).value), mine.cluster);

      await go(`/silences?view=add&org=${mine.org}`);
      await page.type("#silence-for", "1 hour");
      await page.type("#silence-reason", "it is cancelled");
      const { x, y } = await shownButton(() => page.click('button[value="preview"]'));
      await page.mouse.click(x, y);
      await isCancelled();
      assert.equal(
        await page.$eval("#silence-reason", (it) => (it as unknown as Typed).value),
        "it is cancelled",
      );
    });

    test("an answer that comes after all is shown", async () => {
      await go("/rules");
      await shownButton(() => page.click('main a[href="/console/rules/disk"]'));
      await Promise.all([page.waitForNavigation(), holder.query("select pg_advisory_unlock(12)")]);
      assert.equal(await page.$eval("h1", (h1) => h1.textContent), "Rule disk");
      assert.equal(await page.$("#wait"), null);
    });
  });
});
