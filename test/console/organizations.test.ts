import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { consoleRoutes, type OpenConsole, startConsole } from "../../dev/console.ts";
import { looks } from "../../src/console/looks.ts";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { makeRoles } from "../support/role_logins.ts";
import { until } from "../support/until.ts";
import { bearer, get, type KnownPeople, knownPeople, post } from "./client.ts";
import { allPages, fillConsole, mine, pagesAbout, theirs, unvisited } from "./scene.ts";

const database = testDatabase();
let known: OpenConsole;
let who: KnownPeople;
let rejected: string;

describe("a person of one organization", () => {
  before(async () => {
    ({ rejected } = await fillConsole(database.pool));
    who = await knownPeople();
    known = await startConsole(database.url, who.env);
  });
  after(async () => {
    await known?.[Symbol.asyncDispose]();
    await who?.[Symbol.asyncDispose]();
  });

  test("is refused where no row-level security keeps to the organization", async () => {
    for (const at of ["/", "/new", "/list/new.json", "/live", "/deliveries?view=dead"])
      assert.equal((await get(known, at, bearer(who.tokens.narrowed))).status, 403, at);
  });

  test("sees nothing of another on any page, download or stream", async () => {
    await makeRoles(database.url);
    const secret = "for their eyes only";
    await database.pool.query("select add_silence(now() + interval '1 day', $2, org_id => $1)", [
      ...[theirs.org, secret],
    ]);
    await database.pool.query("select set_policy('service log', '{\"max_events\": 5}', $2, org_id => $1)", [
      ...[theirs.org, secret],
    ]);
    await database.pool.query("select acknowledge($1, 'disk|KEY', justification => $2)", [
      theirs.org,
      secret,
    ]);
    const hidden = [String(theirs.org), theirs.cluster, secret];
    const rest = (text: string) => hidden.filter((one) => text.includes(one));
    const all = await reached(known, bearer(who.tokens.operator));
    assert.deepEqual(rest(all.text), hidden, "others see it");
    const mineIs = await get(known, `/clusters/${mine.cluster}`, bearer(who.tokens.narrowed));
    assert.equal(mineIs.status, 200, mineIs.text);
    assert.ok((await get(known, "/new", bearer(who.tokens.narrowed))).text.includes(mine.cluster));
    const ofThem = await pagesAbout(database.pool, theirs);
    const places = new Set([
      ...[...all.places, ...ofThem, ...allPages(mine.cluster), ...(await pagesAbout(database.pool, mine))],
      ...["csv", "json"].flatMap((kind) => Object.keys(looks).map((name) => `/list/${name}.${kind}`)),
    ]);
    const routes = (await consoleRoutes()).filter((route) => /^GET \/(?!static|live|log)/.test(route));
    assert.deepEqual(unvisited(routes, [...places]), []);
    /** What is asked about them is answered as what is asked about nobody. */
    const nobody = (text: string) =>
      text
        .replaceAll(String(theirs.org), "987655")
        .replaceAll(theirs.cluster, "00000000-0000-4000-8000-00000000ffff")
        .replaceAll(/name="_csrf" value="[^"]+"|<time.*?<\/time>/g, "");
    await atOnce([...places], async (at) => {
      const { status, text } = await get(known, at, bearer(who.tokens.narrowed));
      assert.ok([200, 404].includes(status), `${at}: ${status} ${text.slice(-400)}`);
      if (rest(at).length === 0) assert.deepEqual(rest(text), [], at);
      else
        assert.equal(
          nobody(text),
          nobody((await get(known, nobody(at), bearer(who.tokens.narrowed))).text),
          at,
        );
      if (ofThem.includes(at)) assert.equal(status, 404, at);
    });
    // an operator of one organization sees as little, and does not act
    for (const at of ["/new", `/clusters/${mine.cluster}`, "/list/new.json"]) {
      const { status, text } = await get(known, at, bearer(who.tokens.narrowedOperator));
      assert.equal(status, 200, `${at}: ${text.slice(-400)}`);
      assert.deepEqual(rest(text), [], at);
    }
    const silence = { do: "add", org: String(mine.org), for: "2 hours", reason: "for the test" };
    const acted = await post(known, "/silences", silence, { headers: bearer(who.tokens.narrowedOperator) });
    assert.equal(acted.status, 403);
    // what is about the whole fleet is not for who sees one organization
    const ofFleet = ["/storage", "/acts", "/deliveries?view=storms"];
    for (const at of [...ofFleet, "/list/acts.csv", "/list/partitions.json", "/list/storms.json"]) {
      assert.equal((await get(known, at, bearer(who.tokens.narrowed))).status, 404, at);
      assert.equal((await get(known, at, bearer(who.tokens.operator))).status, 200, at);
    }
    const overview = await get(known, "/", bearer(who.tokens.narrowed));
    assert.equal(
      overview.text.split("Your role does not see this part.").length,
      3,
      "two parts of the fleet",
    );
    const issue = await value(database.pool, "select min(id) from issue where org_id = $1", [theirs.org]);
    const draft = `/clusters/${theirs.cluster}/text?issue=${issue}&target=service+log`;
    assert.equal((await get(known, draft, bearer(who.tokens.operator))).status, 200, "others see its text");
    for (const at of [draft, `/clusters/${theirs.cluster}`, `/rejected/${Number(rejected) + 1}`])
      assert.equal((await get(known, at, bearer(who.tokens.narrowed))).status, 404, at);

    const wide = await streamOf(known, who.tokens.operator);
    const narrow = await streamOf(known, who.tokens.narrowed);
    await until("both streams are open", () => wide.text.includes("retry") && narrow.text.includes("retry"));
    await until("an event arrives", async () => {
      await database.pool.query("select ccx.announce('decided', $1::jsonb)", [{ org: theirs.org }]);
      return wide.text.includes("event: changed");
    });
    assert.deepEqual(rest(wide.text + narrow.text), []);
    assert.doesNotMatch(narrow.text, /decided/);
    wide.stop();
    narrow.stop();
  });

  /** Asks several of these at a time, as many as the console has connections. */
  async function atOnce(places: string[], work: (at: string) => Promise<void>): Promise<void> {
    const waiting = [...places];
    const next = async () => {
      for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) await work(at);
    };
    await Promise.all(Array.from({ length: 6 }, next));
  }

  /** Every page and download that links lead to from the overview, whatever its order and moment, and all that they say. */
  async function reached(open: OpenConsole, headers: Record<string, string>) {
    const places = ["/"];
    let said = "";
    const visited = async (at: string) => {
      const { text } = await get(open, at, headers);
      said += text;
      for (const [, link = ""] of text.matchAll(/href="\/console(\/[^"#]*)"/g)) {
        const { pathname, searchParams } = new URL(link.replaceAll("&amp;", "&"), "http://console");
        const isMoment = /^\/clusters\/[^/]+$/.test(pathname);
        for (const name of ["sort", "dir", ...(isMoment ? ["at", "days"] : [])]) searchParams.delete(name);
        const to = pathname + (searchParams.size > 0 ? `?${searchParams}` : "");
        if (!pathname.startsWith("/static/") && !places.includes(to)) places.push(to);
      }
    };
    for (let done = 0; done < places.length; ) {
      const next = places.slice(done);
      done = places.length;
      await atOnce(next, visited);
    }
    return { places, text: said };
  }

  /** What a person is sent while it happens. */
  async function streamOf(open: OpenConsole, token: string) {
    const stopped = new AbortController();
    const answer = await fetch(`${open.url}/live`, { headers: bearer(token), signal: stopped.signal });
    const stream = { text: "", stop: () => stopped.abort() };
    (async () => {
      for await (const part of answer.body ?? []) stream.text += Buffer.from(part).toString();
    })().catch(() => undefined);
    return stream;
  }
});
