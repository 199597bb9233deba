import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PoolClient } from "pg";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { inBrowser, needsBrowser } from "./in_browser.ts";
import { mine } from "./scene.ts";

type Typed = { value: string };
/** Of the page, where what is evaluated runs. */
declare const document: { querySelector(selector: string): { textContent: string | null } | null };

const database = testDatabase();

describe("an answer that takes longer than a second", needsBrowser, () => {
  const it = inBrowser(database);
  const { troubles, go } = it;

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
    await it.page.exposeFunction("buttonIsAt", (x: number, y: number) => {
      button = { x, y };
    });
    await it.page.evaluateOnNewDocument(`addEventListener("DOMContentLoaded", () =>
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
    await it.page.waitForFunction(() =>
      document.querySelector("#wait")?.textContent?.startsWith("Cancelled."),
    );
    assert.deepEqual(troubles, []);
  };

  test("a link shows that it waits, and a button cancels the question in the database, too", async () => {
    await go("/rules");
    const { x, y } = await shownButton(() => it.page.click('main a[href="/console/rules/disk"]'));
    await it.page.mouse.click(x, y);
    await isCancelled();
    assert.equal(await it.page.$eval("h1", (h1) => h1.textContent), "Rules in the last seven days");
    // the page goes on: it follows what happens, and its links lead on
    await it.page.waitForFunction(() => document.querySelector("#live")?.textContent === "● live");
    await Promise.all([it.page.waitForNavigation(), it.page.click('a[href="/console/silences"]')]);
    assert.equal(await it.page.$eval("h1", (h1) => h1.textContent), "Silences");
    assert.equal(await it.page.$("#wait"), null);
  });

  test("a form does, by a key as well, and what it sent is not done", async () => {
    await go("/clusters");
    await it.page.type("#cluster-id", mine.cluster);
    await shownButton(() => it.page.keyboard.press("Enter"));
    await it.page.keyboard.press("Escape");
    await isCancelled();
    assert.equal(await it.page.$eval("#cluster-id", (it) => (it as unknown as Typed).value), mine.cluster);

    await go(`/silences?view=add&org=${mine.org}`);
    await it.page.type("#silence-for", "1 hour");
    await it.page.type("#silence-reason", "it is cancelled");
    const { x, y } = await shownButton(() => it.page.click('button[value="preview"]'));
    await it.page.mouse.click(x, y);
    await isCancelled();
    assert.equal(
      await it.page.$eval("#silence-reason", (it) => (it as unknown as Typed).value),
      "it is cancelled",
    );
  });

  test("of a form that says how long it takes, the bar shows how much of that has passed", async () => {
    await go(`/silences?view=add&org=${mine.org}`);
    await it.page.type("#silence-for", "1 hour");
    await it.page.type("#silence-reason", "it is cancelled");
    await it.page.$eval('button[value="preview"]', (button) => button.setAttribute("data-takes", "500"));
    await it.page.evaluate(`{
      const seen = (globalThis.seen = []);
      new MutationObserver(() => {
        const progress = document.querySelector("#wait progress");
        if (progress) seen.push([progress.max, progress.value, document.querySelector("#wait span").textContent]);
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    }`);
    await shownButton(() => it.page.click('button[value="preview"]'));
    await it.page.keyboard.press("Escape");
    await isCancelled();
    const seen = (await it.page.evaluate("seen")) as [number, number, string][];
    const [[max, value, words] = assert.fail("the bar was there")] = seen;
    assert.equal(max, 500);
    assert.ok(value >= 1 && value < 500, `${value}`);
    assert.equal(words, ` ${value} s of about 500 s `);
  });

  test("an answer that comes after all is shown", async () => {
    await go("/rules");
    await shownButton(() => it.page.click('main a[href="/console/rules/disk"]'));
    await Promise.all([it.page.waitForNavigation(), holder.query("select pg_advisory_unlock(12)")]);
    assert.equal(await it.page.$eval("h1", (h1) => h1.textContent), "Rule disk");
    assert.equal(await it.page.$("#wait"), null);
  });
});
