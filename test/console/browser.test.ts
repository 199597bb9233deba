import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import type { Page } from "puppeteer-core";
import { startConsole } from "../../dev/console.ts";
import { decideDue, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";
import { inBrowser, needsBrowser } from "./in_browser.ts";
import { mine } from "./scene.ts";

type Shown = { textContent: string | null; innerText: string };
type Typed = { value: string };
/** Of the page, where what is evaluated runs. */
declare const document: { querySelector(selector: string): Shown | null };

const database = testDatabase();

describe("a person at the console", needsBrowser, () => {
  const it = inBrowser(database);
  const { troubles, go, text, press } = it;

  test("a person finds out why, tries a policy, applies it and sees it live, silences, redrives, retries", async () => {
    await go("/clusters");
    await it.page.type("#cluster-id", mine.cluster);
    await press('form[action="/console/clusters"] button');
    assert.match(await text(), /nothing is known about the rule \(no_content\)/);
    const box = await it.page.$eval(".life", (drawing) => {
      const { left, top, width } = drawing.getBoundingClientRect();
      return { left, top, width };
    });
    await Promise.all([
      it.page.waitForNavigation({ waitUntil: "domcontentloaded" }),
      it.page.mouse.click(box.left + box.width / 2, box.top + 30),
    ]);
    assert.match(it.page.url(), /at=20/);
    assert.match(await text(), /had no open issue/);

    await go("/policies?view=try");
    await it.page.type("#set-total_risk_threshold", "4");
    await press('button[value="try"]');
    assert.match(await text(), /below_threshold/);
    await it.page.type("#p-reason", "less noise, for the test");
    const watcher = await it.browser.newPage();
    await watcher.goto(`${it.open.url}/new?rule=disk`, { waitUntil: "domcontentloaded" });
    await watcher.waitForFunction(() => document.querySelector("#live")?.textContent?.includes("live"));
    assert.doesNotMatch(await watcher.$eval("main table", (main) => main.innerText), /below_threshold/);
    await it.page.bringToFront();
    await press('button[value="apply"]');
    assert.match(await text(), /less noise, for the test/);
    await watcher.bringToFront();
    await decideDue(database.pool, new Date().toISOString());
    await watcher.waitForFunction(() =>
      document.querySelector("main table")?.textContent?.includes("below_threshold"),
    );
    await watcher.close();
    await it.page.bringToFront();

    await go(`/silences?view=add&cluster=${mine.cluster}`);
    await it.page.type("#silence-for", "2 hours");
    await it.page.type("#silence-reason", "maintenance of the cluster");
    await press('button[value="preview"]');
    assert.match(await text(), /It would hold 2 open issues/);
    await press('button[value="add"]');
    assert.match(await text(), /The silence is in force/);
    await press('button[value="ask-end"]');
    await press('button[value="end"]');
    assert.match(await text(), /expired/);

    await go("/deliveries?view=dead");
    await it.page.click('input[name="id"]');
    await press('button[value="redrive"]');
    assert.match(await text(), /The messages are tried again/);
    assert.equal(
      await value(database.pool, "select count(*)::integer from notification where state = 'pending'"),
      1,
    );

    await go(`/rejected/${it.rejected}`);
    assert.equal(await it.page.$eval("mark.fault", (mark) => mark.id), "fault");
    await press('button[value="retry"]');
    assert.match(await text(), /stored by a retry/);
    const acts = await value(database.pool, "select array_agg(act order by id) from console_act");
    assert.deepEqual(acts, ["set policy", "silence", "end silence", "redrive", "retry rejected"]);
    assert.deepEqual(troubles, []);
  });

  test("what was edited after it was tried cannot be applied until it is tried again", async () => {
    const looks = () =>
      it.page.evaluate(`({
        said: document.querySelector("#untried").textContent,
        isOff: document.querySelector('button[value="apply"]').disabled,
      })`) as Promise<{ said: string; isOff: boolean }>;
    await go("/policies?view=try");
    await it.page.type("#set-max_events", "7");
    await press('button[value="try"]');
    assert.deepEqual(await looks(), { said: "", isOff: false });
    await it.page.type("#p-reason", "for the test");
    assert.deepEqual(await looks(), { said: "", isOff: false }, "the reason is no part of what was tried");
    await it.page.focus("#set-max_events");
    await it.page.keyboard.press("End");
    await it.page.keyboard.type("0");
    const { said, isOff } = await looks();
    assert.match(said, /the form was changed since/);
    assert.equal(isOff, true);
    await it.page.keyboard.press("Backspace");
    assert.deepEqual(await looks(), { said: "", isOff: false }, "it is as it was tried");
    await it.page.select("#p-target", "service log");
    assert.equal((await looks()).isOff, true);
    await press('button[value="try"]');
    assert.deepEqual(await looks(), { said: "", isOff: false });

    // who has no script is asked again by the server
    const plain = await it.browser.newPage();
    await plain.setJavaScriptEnabled(false);
    await plain.goto(`${it.open.url}/policies?view=try`);
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

  test("a live connection that is lost is shown, and made again, also after a proxy refused it; what happened meanwhile shows", async () => {
    await go("/silences");
    await it.page.waitForFunction(() => document.querySelector("#live")?.textContent === "● live");
    const { port } = it.open;
    await it.open[Symbol.asyncDispose]();
    await it.page.waitForFunction(() => document.querySelector("#live")?.textContent?.includes("not live"));
    // after an answer that is no stream a browser does not try again by itself
    let refused = 0;
    const proxy = createServer((_request, answer) => {
      refused++;
      answer.writeHead(502).end();
    }).listen(port, "127.0.0.1");
    await until("the proxy refused it", () => refused > 0);
    await new Promise((resolve) => {
      proxy.close(resolve);
      proxy.closeAllConnections();
    });
    await database.pool.query(
      "select add_silence(now() + interval '1 day', 'while nobody was connected', org_id => 79)",
    );
    it.open = await startConsole(database.url, {}, port);
    await it.page.waitForFunction(() => document.querySelector("#live")?.textContent === "● live");
    await it.page.waitForFunction(() =>
      document.querySelector("main table")?.textContent?.includes("while nobody was connected"),
    );
  });

  test("of two people who change the same policy, the second one sees what the first one did", async () => {
    const [first, second] = [await it.browser.newPage(), await it.browser.newPage()];
    const submit = (of: Page, selector: string) =>
      Promise.all([of.waitForNavigation({ waitUntil: "domcontentloaded" }), of.click(selector)]);
    for (const [nth, of] of [first, second].entries()) {
      await of.bringToFront();
      await of.goto(`${it.open.url}/policies?view=try`);
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
    await it.page.bringToFront();
  });

  test("a database that is away shows, since when, and pages that are open heal by themselves", async () => {
    const url = new URL(database.url);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    url.hostname = "127.0.0.1";
    await using behind = await startConsole(url.href);
    const watcher = await it.browser.newPage();
    const live = (text: string) =>
      watcher.waitForFunction(`document.querySelector("#live")?.textContent === ${JSON.stringify(text)}`);
    await watcher.goto(`${behind.url}/silences`, { waitUntil: "domcontentloaded" });
    await live("● live");
    await proxy.refuse();
    await live("✖ the database is away");
    const away = await it.browser.newPage();
    await until("a page says so", async () => {
      const answer = await away.goto(`${behind.url}/rules`, { waitUntil: "domcontentloaded" });
      return answer?.status() === 503;
    });
    assert.match(await away.$eval("main", (main) => main.textContent ?? ""), /, since 20\d\d-/);
    const prefix = `getComputedStyle(document.querySelector(".problem"), "::before").content`;
    assert.equal(await away.evaluate(prefix), "none", "nobody refused anything");
    await proxy.heal();
    await away.waitForFunction(
      () => document.querySelector("h1")?.textContent === "Rules in the last seven days",
    );
    await watcher.bringToFront();
    await live("● live");
    await Promise.all([away.close(), watcher.close()]);
    await it.page.bringToFront();
  });

  test("a page that cannot be read again says that it is old, and goes on once it can", async () => {
    const rename = (from: string, to: string) =>
      database.pool.query(
        `alter function ccx.${from}(text, jsonb, text, boolean, text[], integer) rename to ${to}`,
      );
    const says = (text: string) =>
      it.page.waitForFunction(`document.querySelector("#live")?.textContent === ${JSON.stringify(text)}`);
    await go("/silences");
    await says("● live");
    await rename("console_rows", "away");
    await database.pool.query(
      "select add_silence(now() + interval '1 day', 'while it could not be read', org_id => 78)",
    );
    await database.pool.query("select ccx.announce('decided', '{}'::jsonb)");
    await says("✖ the page could not be read again");
    await rename("away", "console_rows");
    await says("● live");
    await it.page.waitForFunction(() =>
      document.querySelector("main table")?.textContent?.includes("while it could not be read"),
    );
  });

  test("without JavaScript every page still answers, and a form still acts", async () => {
    const plain = await it.browser.newPage();
    await plain.setJavaScriptEnabled(false);
    await plain.goto(`${it.open.url}/silences?view=add&org=77`);
    await plain.type("#silence-for", "1 hour");
    await plain.type("#silence-reason", "without a script");
    await Promise.all([plain.waitForNavigation(), plain.click('button[value="preview"]')]);
    await Promise.all([plain.waitForNavigation(), plain.click('button[value="add"]')]);
    await until("it is added", () => value(database.pool, "select true from silence where org_id = 77"));
    await plain.close();
  });
});
