import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Pool } from "pg";
import { consoleRoutes, startConsole } from "../../dev/console.ts";
import { looks } from "../../src/console/looks.ts";
import { addReport, decideDue, loadContent, setPolicy, someContent } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { type HostileAnswers, hostilePool } from "./hostile_answers.ts";
import { inBrowser, needsBrowser } from "./in_browser.ts";
import { allPages, mine, pagesAbout, unvisited } from "./scene.ts";

const database = testDatabase();
const beginning =
  `<script>alert(1)</script><img src=x onerror=alert(2)>"'\`\${alert(3)}{{=alert(4)}}\u202Ednim\u2066` +
  "</td></table></form></textarea></svg>";
const evil = beginning + "w".repeat(100_000);
const short = evil.slice(0, 180);

/** Whatever a person, a rule, a report or a receiver may write, written by them. */
async function writeHostileTexts(pool: Pool): Promise<void> {
  const now = new Date().toISOString();
  // retention would take it away
  await pool.query(
    `alter table new_reports disable trigger user;
     insert into new_reports (org_id, cluster, report, updated_at) values (1, 'old', '{}', '1999-01-01');
     alter table new_reports enable trigger user`,
  );
  await loadContent(
    pool,
    [someContent("disk|KEY"), someContent("net|KEY", { description: evil, reason: evil, tags: [short] })],
    now,
  );
  const hits = ["disk", `a.b.${short}`, "net"].map((rule) => ({
    ...{ component: `${rule}.report`, key: rule.startsWith("a.b.") ? short : "KEY" },
    details: { error_key: short },
  }));
  await addReport(pool, mine.cluster, now, JSON.stringify({ reports: hits }));
  await decideDue(pool, now);
  await pool.query("select add_silence(now() + interval '1 day', $1, tag => $2)", [evil, short]);
  await setPolicy(pool, "service log", { required_tags: [short] }, now, evil);
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
}

/** Of each table of the console its columns that are texts, with their type. */
async function textsOfTables(pool: Pool): Promise<Map<string, Map<string, string>>> {
  const { rows } = await pool.query<{ list: string; column: string; kind: string }>(
    `select l.name as list, a.attname as column, format_type(a.atttypid, null) as kind
     from ccx.console_list l
     join pg_attribute a on a.attrelid = l.relation::regclass and a.attnum > 0 and not a.attisdropped
     where a.atttypid = any ('{text,text[],jsonb}'::regtype[])`,
  );
  return new Map(
    Object.entries(Object.groupBy(rows, ({ list }) => list)).map(([list, of = []]) => [
      list,
      new Map(of.map(({ column, kind }) => [column, kind])),
    ]),
  );
}

describe("hostile texts", needsBrowser, () => {
  let folder: string;
  let kinds: Map<string, Map<string, string>>;
  let answers: HostileAnswers;
  let places: string[];
  const shown = new Set<string>();
  const email = beginning.slice(0, 150);
  const it = inBrowser(database, async () => {
    await writeHostileTexts(database.pool);
    folder = await mkdtemp(path.join(tmpdir(), "ccx-console-"));
    const file = path.join(folder, "people");
    await writeFile(file, "- * operator");
    kinds = await textsOfTables(database.pool);
    const hostile = hostilePool(database.url, evil, kinds);
    answers = hostile.answers;
    return startConsole(
      database.url,
      { CCX_CONSOLE_TOKENS_FILE: file, CCX_CONSOLE_TRUSTED_PROXIES: "127.0.0.1" },
      0,
      hostile.pool,
    );
  });
  before(async () => {
    const identity = { identity: { type: "Associate", associate: { email } } };
    await it.page.setExtraHTTPHeaders({
      "x-rh-identity": Buffer.from(JSON.stringify(identity)).toString("base64"),
    });
    places = [...allPages(mine.cluster), ...(await pagesAbout(database.pool, mine))];
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** What is wrong with the page: what hostile texts became, and how wide it is. */
  const faultsOf = async (at: string): Promise<string[]> => {
    await it.page.setViewport({ width: 3840, height: 600 });
    const widest = Number(await it.page.evaluate("document.documentElement.scrollWidth"));
    await it.page.setViewport({ width: 360, height: 800 });
    const { wide, injected, marked, long, hidden } = (await it.page.evaluate(`(() => {
      const markup = document.documentElement.outerHTML;
      return {
        wide: document.documentElement.scrollWidth,
        injected: document.querySelectorAll("body script, img, [onerror]").length,
        marked: [...new Set(markup.match(/‹[\\w:]+›/g))],
        long: [...document.querySelectorAll("body *")]
          .filter((it) => !it.closest("pre, article, input[type=hidden]"))
          .flatMap((it) => [...it.attributes, ...it.childNodes].map((one) => [it.tagName, one.nodeName, one.nodeValue?.length]))
          .filter(([, , length]) => length > 2_500)
          .map(String),
        hidden: /[\\u202E\\u2066]/.test(markup),
      };
    })()`)) as { wide: number; injected: number; marked: string[]; long: string[]; hidden: boolean };
    for (const name of marked) shown.add(name);
    return [
      ...(injected > 0 ? [`${injected} elements came from texts`] : []),
      ...long.map((what) => `more of a text than a person reads: ${what}`),
      ...(hidden ? ["a text changes the order in which it is read"] : []),
      ...(wide > 360 ? [`it is ${wide} pixels wide on a phone`] : []),
      ...(widest > 3840 ? [`it is ${widest} pixels wide on the largest screen`] : []),
      ...it.troubles.splice(0),
    ].map((fault) => `${at}: ${fault}`);
  };

  for (const keepsWords of [false, true])
    test(`in every field of every answer of the database neither run nor break the layout${keepsWords ? ", beside the words that pages know" : ""}`, async () => {
      answers.keepsWords = keepsWords;
      const faults: string[] = [];
      for (const at of places) {
        const status = (await it.go(at))?.status();
        faults.push(...(status === 200 ? [] : [`${at}: ${status}`]), ...(await faultsOf(at)));
      }
      assert.deepEqual(faults, []);
    });

  test("were in each field that a table shows, and in the answer to each question of a page", async () => {
    assert.deepEqual(unvisited((await consoleRoutes()).filter(isPage), places), []);
    for (const [asked, rows] of answers.rows) assert.ok(rows > 0, `nothing was answered to ${asked}`);
    const missing = Object.values(looks).flatMap(({ list, columns }) =>
      columns
        .filter(({ name }) => kinds.get(list)?.has(name) && !shown.has(`‹${list}:${name}›`))
        .map(({ name }) => `${list}:${name}`),
    );
    // a decision is said in the page's own words; a refusal stands where a message may not be redriven
    assert.deepEqual(missing, ["new:decision", "dead:refusal"]);
  });
});

const isPage = (route: string) => /^GET (?!$|\/(?:static|live|list|login)\b)/.test(route);
