import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { testDatabase } from "../support/database.ts";
import { inBrowser, needsBrowser } from "./in_browser.ts";
import { mine } from "./scene.ts";

type Shown = { checkVisibility(): boolean; getBoundingClientRect(): { top: number } };
/** Of the page, where what is evaluated runs. */
declare const document: { querySelector(selector: string): Shown | null };

const database = testDatabase();

describe("the console on a phone, by keyboard, and for a screen reader", needsBrowser, () => {
  const it = inBrowser(database);
  const { go } = it;

  test("filters are folded on a phone until one is set, and a row is a card that names its values", async () => {
    const shownAt = async (width: number, at: string) => {
      await it.page.setViewport({ width, height: 900 });
      await go(at);
      return it.page.evaluate(() => ({
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

    await it.page.setViewport({ width: 360, height: 900 });
    await database.pool.query("select add_silence(now() + interval '1 day', 'for the test', org_id => 77)");
    await go("/silences");
    const label = await it.page.evaluate(
      `getComputedStyle(document.querySelector('.cards td[data-label="Ends at"]'), "::before").content`,
    );
    assert.equal(label, '"Ends at"');
    await it.page.focus("details.narrow > summary");
    await it.page.keyboard.press("Enter");
    await it.page.select("#sort-by", "ends_at");
    await Promise.all([it.page.waitForNavigation(), it.page.click("form.filters button")]);
    assert.match(it.page.url(), /sort=ends_at&dir=desc/);
    await it.page.setViewport({ width: 1280, height: 900 });
  });

  test("the axis of a cluster shows all of its days and the names of its lanes, on a phone as on a wide screen", async () => {
    await database.pool.query(
      `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
       select org_id, account_number, cluster, report, updated_at - n * interval '1 day', 1000 + n
       from new_reports, generate_series(1, 2) n where cluster = $1`,
      [mine.cluster],
    );
    for (const width of [360, 600, 800, 1440, 3840]) {
      await it.page.setViewport({ width, height: 900 });
      await go(`/clusters/${mine.cluster}`);
      const seen = (await it.page.evaluate(`(() => {
        const box = (it) => it.getBoundingClientRect();
        const boxes = (of) => [...document.querySelectorAll(".life " + of)].filter((it) => it.checkVisibility()).map(box);
        const page = document.documentElement;
        return {
          over: page.scrollWidth - page.clientWidth,
          sides: boxes(".marks :is(line, rect, circle, path, text), .cursor, .name").flatMap(({ left, right }) => [left, right]),
          cursor: (document.querySelector(".life .cursor").getBoundingClientRect().left - box(document.querySelector(".marks")).right),
          cut: [...document.querySelectorAll(".life .name")].filter((it) => it.scrollWidth > it.clientWidth).length,
          names: [...document.querySelectorAll(".life .lane:not(.times) .name")].map((it) => it.textContent),
          texts: [...document.querySelectorAll(".life :is(text, .name)")].map((it) => Number.parseFloat(getComputedStyle(it).fontSize)),
          times: boxes("text").map(({ left, right }) => [left, right]),
        };
      })()`)) as Record<"over" | "cursor" | "cut", number> &
        Record<"sides" | "texts", number[]> & { times: [number, number][]; names: string[] };
      const at = `${width} pixels`;
      assert.ok(seen.over <= 0, `${at}: the page is ${seen.over} too wide`);
      assert.ok(Math.min(...seen.sides) >= 0 && Math.max(...seen.sides) <= width, `${at}: ${seen.sides}`);
      assert.ok(Math.abs(seen.cursor) < 3, `${at}: now is at the end of the axis, not at ${seen.cursor}`);
      assert.equal(seen.cut, 0, at);
      assert.ok(seen.names.includes("reports") && seen.names.includes("disk|KEY"), `${seen.names}`);
      assert.ok(Math.min(...seen.texts) >= 12, `${at}: letters of ${Math.min(...seen.texts)}`);
      assert.ok(seen.times.length >= 3);
      for (const [nth, [left]] of seen.times.entries())
        assert.ok(nth === 0 || left > Number(seen.times[nth - 1]?.[1]) + 4, `${at}: ${seen.times}`);
    }
    await it.page.setViewport({ width: 1280, height: 900 });
  });

  test("a tap on the axis asks about its moment, also after it was drawn anew", async () => {
    await it.page.setViewport({ width: 360, height: 900 });
    await go(`/clusters/${mine.cluster}`);
    await it.page.evaluate(`(() => {
      const part = document.querySelector("#life");
      part.replaceChildren(...new DOMParser().parseFromString(part.innerHTML, "text/html").body.childNodes);
    })()`);
    const [marks] = await it.page.$$(".life .marks");
    const box = (await marks?.boundingBox()) ?? assert.fail("there is an axis");
    const end = String(await it.page.$eval(".life", (life) => life.getAttribute("data-to")));
    await Promise.all([
      it.page.waitForNavigation({ waitUntil: "domcontentloaded" }),
      it.page.mouse.click(box.x + box.width / 7, box.y + 4),
    ]);
    const asked = Date.parse(new URL(it.page.url()).searchParams.get("at") ?? "");
    const day = 86_400_000;
    assert.ok(Math.abs(Date.parse(end) - 6 * day - asked) < day / 20, it.page.url());
    await it.page.setViewport({ width: 1280, height: 900 });
  });

  test("what a change would do is at sight once it was tried, also below a long form", async () => {
    await it.page.setViewport({ width: 360, height: 900 });
    await go("/policies?view=try");
    await it.page.type("#set-total_risk_threshold", "4");
    await it.press('button[value="try"]');
    await it.page.waitForFunction("document.querySelector('#tried').getBoundingClientRect().top < 450");
    await it.page.type("#set-cooldown", "soon");
    await it.press('button[value="try"]');
    await it.page.waitForFunction("document.querySelector('#problem').getBoundingClientRect().top < 450");
    assert.equal(await it.page.evaluate("scrollY"), 0, "a refusal stands at the top");
    await it.page.setViewport({ width: 1280, height: 900 });
  });

  test("the keyboard reaches everything that can be used, in order, and shows where it is", async () => {
    await it.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
    for (const at of ["/new", "/silences", "/policies?view=try", "/deliveries?view=dead"]) {
      await go(at);
      const wanted = await it.page.evaluate(`{
        const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
        [...document.querySelectorAll(all)].filter((it) => it.checkVisibility()).map((it, nth) => (it.nth = nth)).length;
      }`);
      const seen: unknown[] = [];
      for (let nth = 0; nth < Number(wanted); nth++) {
        await it.page.keyboard.press("Tab");
        const { at: place, isShown } = (await it.page.evaluate(`(() => {
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
    await it.page.keyboard.press("Tab");
    await it.page.keyboard.press("Enter");
    assert.match(it.page.url(), /#main$/);
    await it.page.keyboard.press("Tab");
    assert.ok(await it.page.evaluate(`document.querySelector("main").contains(document.activeElement)`));
  });

  test("axe finds nothing serious, by day and by night", async () => {
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    for (const scheme of ["light", "dark"]) {
      await it.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const at of [
        "/",
        "/new",
        `/clusters/${mine.cluster}`,
        "/policies?view=try",
        "/silences",
        "/deliveries?view=dead",
        `/rejected/${it.rejected}`,
        "/storage",
        "/new?org_id=x",
        ...["/silences?view=add", "/policies?view=history", "/rules/disk", "/clusters/nobody"],
        // as cards
        ...["/new", "/deliveries?view=dead", `/clusters/${mine.cluster}`].map((one) => `${one}#phone`),
      ]) {
        await it.page.setViewport({ width: at.endsWith("#phone") ? 360 : 1280, height: 900 });
        await go(at);
        await it.page.evaluate(axe);
        const found = await it.page.evaluate(async () => {
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
});
