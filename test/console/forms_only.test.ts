import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { consoleRoutes, type OpenConsole, startConsole } from "../../dev/console.ts";
import { rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { bearer, type KnownPeople, knownPeople } from "./client.ts";
import { fillConsole, mine } from "./scene.ts";

type Sent = { method: string; form?: Record<string, string>; headers?: Record<string, string> };
type Answer = { status: number; text: string; cookies: string[] };

const database = testDatabase();

describe("what the console does, it does for a form of its own only", () => {
  let who: KnownPeople;
  let open: OpenConsole;
  /** what an operator would send to this route, and what it would change; the routes are the router's own */
  let forms: Record<string, Record<string, string>>;
  let acts: string[];
  let proof: { cookie: string; token: string };

  before(async () => {
    const { rejected } = await fillConsole(database.pool);
    who = await knownPeople();
    open = await startConsole(database.url, who.env);
    const routes = await consoleRoutes();
    acts = routes.flatMap((route) => (route.startsWith("POST ") ? [route.slice("POST ".length)] : []));
    const page = await send("/silences?view=add", { method: "GET" });
    proof = { cookie: cookieOf(page), token: hidden(page.text, "_csrf") };

    const dead = await value(database.pool, "select id from notification where cluster = $1", [mine.cluster]);
    const policy = { target: "service log", set_cooldown: "3 days", reason: "for the test" };
    const tried = await send("/policies", { method: "POST", form: { ...policy, do: "try", ...token() } });
    const trial = { seen: hidden(tried.text, "seen"), tried: hidden(tried.text, "tried") };
    forms = {
      [`/clusters/${mine.cluster}`]: { do: "acknowledge", org: String(mine.org), rule: "disk|KEY" },
      "/policies": { ...policy, do: "apply", ...trial },
      "/silences": { do: "add", org: String(mine.org), for: "2 hours", reason: "for the test" },
      "/deliveries": { do: "redrive", id: String(dead) },
      [`/rejected/${rejected}`]: { do: "retry" },
      "/login": { token: who.tokens.reader },
      "/logout": {},
    };
  });
  after(async () => {
    await open?.[Symbol.asyncDispose]();
    await who?.[Symbol.asyncDispose]();
  });

  const token = () => ({ _csrf: proof.token });
  const hidden = (text: string, name: string) =>
    new RegExp(`name="${name}" value="([^"]+)"`).exec(text)?.[1] ?? assert.fail(`${name}: ${text}`);
  const cookieOf = ({ cookies }: Answer) => cookies.map((one) => one.split(";")[0]).join("; ");

  /** As an operator whose browser has a page of the console; unlike fetch(), with whatever headers. */
  const send = (at: string, { method, form, headers = {} }: Sent) =>
    new Promise<Answer>((resolve, reject) => {
      const url = new URL(open.url + at);
      const body = new URLSearchParams(form).toString();
      const asked = request(
        url,
        {
          method,
          headers: {
            ...bearer(who.tokens.operator),
            ...(proof && { cookie: proof.cookie }),
            ...(form && {
              ...{ "content-type": "application/x-www-form-urlencoded", "content-length": body.length },
            }),
            ...headers,
          },
        },
        (answer) => {
          answer.setEncoding("utf8");
          let text = "";
          answer.on("data", (part: string) => {
            text += part;
          });
          const cookies = answer.headers["set-cookie"] ?? [];
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text, cookies }));
        },
      );
      asked.on("error", reject);
      asked.end(body);
    });

  /** How many rows each table has, and a sum over all that stands in them. */
  async function stored(): Promise<Record<string, string>> {
    const tables = await rows(
      database.pool,
      `select format('%I.%I', n.nspname, c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relispartition
         and n.nspname not in ('pg_catalog', 'information_schema')
       order by 1`,
    );
    assert.ok(tables.length > 30, "the tables of every schema");
    const all: Record<string, string> = {};
    for (const { name } of tables)
      all[String(name)] = String(
        await value(
          database.pool,
          `select count(*) || ' rows, ' || coalesce(md5(string_agg(t::text, ';' order by t::text)), '')
           from ${name} t`,
        ),
      );
    return all;
  }

  /** The form of each route that acts, at its address. */
  const each = () =>
    acts.map((route) => {
      const pattern = new RegExp(`^${route.replaceAll(/:\w+/g, "[^/]+")}$`);
      const found = Object.entries(forms).find(([at]) => pattern.test(at));
      return found ?? assert.fail(`no form of this test is for ${route}: add one that acts`);
    });
  const session = (answer: Answer) => answer.cookies.filter((one) => one.startsWith("ccx_console="));

  test("an address that is asked for, or any method but POST, changes nothing", async () => {
    const isPage = new Set(
      (await consoleRoutes()).flatMap((route) => (route.startsWith("GET ") ? [route.slice(4)] : [])),
    );
    const before = await stored();
    for (const [nth, [at, form]] of each().entries()) {
      const query = `${at}?${new URLSearchParams({ ...form, ...token() })}`;
      for (const method of ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        const asksOnly = ["GET", "HEAD"].includes(method);
        const answer = await send(query, { method, ...(!asksOnly && { form: { ...form, ...token() } }) });
        const mayBePage = asksOnly && isPage.has(String(acts[nth]));
        const wanted = mayBePage ? [200, 400] : [404, 405];
        assert.ok(wanted.includes(answer.status), `${method} ${at}: ${answer.status}`);
        assert.deepEqual(session(answer), [], `${method} ${at}`);
      }
      const overriding = { "x-http-method-override": "POST" };
      await send(query, { method: "GET", headers: overriding });
    }
    assert.deepEqual(await stored(), before);
  });

  test("a form without its proof, or of another page than ours, is refused and changes nothing", async () => {
    const before = await stored();
    const others: Record<string, { more: Record<string, string>; headers: Record<string, string> }> = {
      "no proof": { more: {}, headers: {} },
      "an empty proof": { more: { _csrf: "" }, headers: {} },
      "a proof of another browser": { more: token(), headers: { cookie: "" } },
      "another origin": { more: token(), headers: { origin: "https://evil.example" } },
      "no origin to name": { more: token(), headers: { origin: "null" } },
      "another port of this machine": { more: token(), headers: { origin: "http://127.0.0.1:1" } },
      "another site": { more: token(), headers: { "sec-fetch-site": "cross-site" } },
      "a neighbour of this site": { more: token(), headers: { "sec-fetch-site": "same-site" } },
    };
    for (const [at, form] of each())
      for (const [name, { more, headers }] of Object.entries(others)) {
        const answer = await send(at, { method: "POST", form: { ...form, ...more }, headers });
        assert.equal(answer.status, 403, `${at} with ${name}: ${answer.text.slice(-400)}`);
        assert.match(answer.text, /not of this console/, `${at} with ${name}`);
        assert.deepEqual(session(answer), [], `${at} with ${name}`);
      }
    assert.deepEqual(await stored(), before);
  });

  test("the same forms act with their proof", async () => {
    for (const [at, form] of each()) {
      const before = await stored();
      const answer = await send(at, { method: "POST", form: { ...form, ...token() } });
      assert.equal(answer.status, 303, `${at}: ${answer.text.slice(-600)}`);
      if (/^\/log/.test(at)) assert.equal(session(answer).length, 1, at);
      else assert.notDeepEqual(await stored(), before, at);
    }
  });
});
