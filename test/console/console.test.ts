import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { consoleRoutes, type OpenConsole, startConsole } from "../../dev/console.ts";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";
import { bearer, get, type KnownPeople, knownPeople, post } from "./client.ts";
import { allPages, fillConsole, mine } from "./scene.ts";

const database = testDatabase();
let local: OpenConsole;
let known: OpenConsole;
let who: KnownPeople;
let rejected: string;

describe("the console", () => {
  before(async () => {
    ({ rejected } = await fillConsole(database.pool));
    local = await startConsole(database.url);
    who = await knownPeople();
    known = await startConsole(database.url, who.env);
  });
  after(async () => {
    await local?.[Symbol.asyncDispose]();
    await known?.[Symbol.asyncDispose]();
    await who?.[Symbol.asyncDispose]();
  });

  /** As a client that says it is somebody else, which fetch() does not let one do. */
  const asHost = (open: OpenConsole, host: string) =>
    new Promise<number>((resolve, reject) => {
      request({ port: open.port, host: "127.0.0.1", path: "/console/", headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on("error", reject)
        .end();
    });

  test("every page answers, with a policy that lets no script of others run", async () => {
    for (const at of allPages(mine.cluster)) {
      const { status, text, headers } = await get(local, at);
      assert.equal(status, 200, `${at}: ${text.slice(0, 2_000)}`);
      assert.ok(text.length < 200_000, at);
      assert.equal(
        headers.get("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
          "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      for (const [name, wanted] of [
        ["x-content-type-options", "nosniff"],
        ["cache-control", "no-store"],
        ["referrer-policy", "same-origin"],
        ["cross-origin-opener-policy", "same-origin"],
        ["cross-origin-resource-policy", "same-origin"],
      ] as const)
        assert.equal(headers.get(name), wanted, at);
      assert.doesNotMatch(
        text,
        /<script(?! src="\/console\/static\/console\.js" defer)|\sstyle=|\son\w+=/i,
        at,
      );
    }
  });

  test("each column of a table, and each setting of a policy, is explained on its page", async () => {
    const textsOf = (text: string, pattern: RegExp) =>
      [...text.matchAll(pattern)].map(([, inner = ""]) => inner.replaceAll(/<[^>]+>|\u{A0}[▲▼]/gu, ""));
    let tables = 0;
    for (const at of allPages(mine.cluster)) {
      const { text } = await get(local, at);
      const [, list, meanings] = /<div class="list">(.*)<dl class="facts">(.*?)<\/dl>/s.exec(text) ?? [];
      if (list === undefined || meanings === undefined) continue;
      const explained = new Set(textsOf(meanings, /<dt>(.*?)<\/dt>/g));
      const heads = textsOf(list, /<th scope="col" class="[^"]*"[^>]*>(.*?)<\/th>/g);
      assert.deepEqual(
        heads.filter((head) => !explained.has(head)),
        [],
        at,
      );
      if (heads.length > 0) tables++;
    }
    assert.ok(tables >= 10, `${tables} tables have rows`);
    const { text } = await get(local, "/policies?view=try");
    assert.doesNotMatch(text, /data-label="Meaning"><span class="nothing">/);
    assert.match(
      text,
      />Cooldown<\/td><td [^>]*>how long an issue that was notified is not notified again.*?>7 days</s,
    );
  });

  test("a message leads to its cluster, and a database that was not migrated is not called away", async () => {
    const id = await value(database.pool, "select min(id) from notification where cluster = $1", [
      mine.cluster,
    ]);
    assert.match(
      (await get(local, `/messages/${id}`)).text,
      new RegExp(`href="/console/clusters/${mine.cluster}"`),
    );
    const rename = (from: string, to: string) =>
      database.pool.query(`alter function ccx.${from}(text) rename to ${to}`);
    await rename("column_meanings", "missing");
    const { status, text } = await get(local, "/silences");
    await rename("missing", "column_meanings");
    assert.equal(status, 503);
    assert.match(text, /<h1>The database is not ready<\/h1>.*run `?(?:&#96;)?ccx migrate/s);
  });

  test("the text of an issue is shown as it would be sent, whether or not it is held", async () => {
    const page = await get(local, `/clusters/${mine.cluster}`);
    const links = [...page.text.matchAll(/href="\/console(\/clusters\/[^"]+\/text\?[^"]+)"/g)].map(
      ([, link = ""]) => link.replaceAll("&amp;", "&"),
    );
    assert.equal(links.length, 4, "two issues, two targets");
    const texts = await Promise.all(links.map((link) => get(local, link)));
    assert.deepEqual(
      texts.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    const known = texts.filter(({ text }) => text.includes("disk"));
    assert.equal(known.length, 2);
    for (const { text } of known) {
      assert.match(text, /<article><h2>disk is wrong<\/h2>/);
      assert.equal(text.includes("‖ hold"), text.includes("It is held, because"));
      assert.doesNotMatch(text, /not kept any more/);
    }
    for (const { text } of texts.filter((one) => !known.includes(one))) {
      assert.match(text, /Nothing is known about the rule, so there is no text/);
      assert.match(text, /It is held, because .*nothing is known about the rule/);
    }
    // before its first report the cluster had no issue
    const [link = ""] = links;
    assert.equal((await get(local, `${link}&at=2026-01-01`)).status, 404);
    assert.equal((await get(local, link.replace(/issue=\d+/, "issue=x"))).status, 404);
  });

  test("what is not there is a page that says so", async () => {
    const places = ["/clusters/nobody", "/messages/1000000", "/messages/x", "/rules/none", "/policies/77777"];
    for (const at of [...places, "/rejected/99999999999999999999", "/no_page", "/list/secrets.csv"]) {
      const { status, text } = await get(local, at);
      assert.equal(status, 404, at);
      assert.match(text, /<h1>Not there<\/h1>/, at);
    }
  });

  test("a malformed filter is refused with its place, and the form keeps what was typed", async () => {
    const { status, text } = await get(local, "/new?org_id=twelve&rule=disk");
    assert.equal(status, 400);
    assert.match(text, /name="rule" value="disk"/);
    assertRefused(text, "org_id", "Organization", '"twelve" is not a whole number of at most 18 digits');
    // what no form can keep says the name of what is wrong, too
    const report = `/clusters/${mine.cluster}/report`;
    for (const [at, name] of [
      [`${report}?org=one&at=2026-01-01`, "org"],
      [`${report}?org=1&at=soon`, "at"],
    ] as const)
      assert.match((await get(local, at)).text, new RegExp(`role="alert">${name}: `), at);
    const acked = { do: "acknowledge", rule: "disk|KEY", org: "one" };
    assert.match((await post(local, `/clusters/${mine.cluster}`, acked)).text, /role="alert">org: /);
    assert.match(
      (await post(local, "/silences", { do: "ask-end", id: "one" })).text,
      /no silence &quot;one&quot;/,
    );
    for (const query of ["from=soon", "sort=password", "after=bm90aGluZw", "after=WyJhIl0", "colour=red"])
      assert.equal((await get(local, `/new?${query}`)).status, 400, query);
  });

  /** The sentence names the field by its label and leads to it; the field keeps its value and names the sentence. */
  function assertRefused(text: string, field: string, label: string, sentence: string): void {
    const input = new RegExp(`<(?:input|select)[^>]* name="${field}"[^>]*>`).exec(text)?.[0] ?? text;
    assert.match(input, /aria-invalid="true" aria-describedby="problem"/);
    const [, id] = / id="([^"]+)"/.exec(input) ?? [];
    const [, problem = ""] = /<p id="problem"[^>]*>(.*?)<\/p>/s.exec(text) ?? [];
    const said = problem.replaceAll(/<[^>]+>/g, "").replaceAll("&quot;", '"');
    assert.ok(problem.includes(`<a href="#${id}">`), problem);
    assert.ok(said.startsWith(`${label}: ${sentence}`), said);
    assert.equal(text.split('aria-invalid="true"').length, 2, "one field is wrong");
  }

  test("a form that is refused keeps what was typed, names the field, and ties the sentence to it", async () => {
    const pages: [at: string, field: string, label: string, sentence: string][] = [
      ["/new?from=soon", "from", "From (last seen, UTC)", '"soon" is not a time, such as'],
      ["/silences?id=one", "id", "Silence", '"one" is not a whole number'],
      ["/new?view=reason&org_id=x", "org_id", "Organization", '"x" is not a whole number'],
      ["/new?view=rule&target=nobody", "target", "Target", "there is no target"],
      [
        `/clusters/${mine.cluster}?at=whenever`,
        "at",
        "Ask about this moment (UTC)",
        '"whenever" is not a time',
      ],
      [
        `/clusters/${mine.cluster}?at=infinity`,
        "at",
        "Ask about this moment (UTC)",
        '"infinity" is no moment',
      ],
      [
        `/clusters/${mine.cluster}?days=many`,
        "days",
        "Days on the axis",
        '"many" is not a whole number from 1',
      ],
    ];
    for (const [at, field, label, sentence] of pages) {
      const { status, text } = await get(local, at);
      assert.equal(status, 400, at);
      assertRefused(text, field, label, sentence);
    }
    const silenced = { do: "preview", org: "1", for: "2 hours", reason: "for the test" };
    const tried = { do: "try", target: "service log", set_max_events: "7" };
    const replayed = { do: "preview-replay", from: "2026-01-01", to: "2026-01-02" };
    const forms: [
      at: string,
      form: Record<string, string>,
      field: string,
      label: string,
      sentence: string,
    ][] = [
      ["/silences", { ...silenced, org: "one" }, "org", "Organization", '"one" is not a whole number'],
      ["/silences", { ...silenced, for: "never" }, "for", "or lasts", '"never" is not a length of time'],
      ["/silences", { ...silenced, until: "x" }, "until", "Ends at (UTC)", '"x" is not a time'],
      ["/silences", { ...silenced, for: "" }, "until", "Ends at (UTC)", "a silence needs an end"],
      ["/silences", { ...silenced, reason: "no" }, "reason", "Reason", ""],
      ["/silences", { ...silenced, org: "" }, "everything", "everything", "this silence would hold every"],
      ["/silences", { ...silenced, rule: "a|B", error_key: "C" }, "error_key", "Error key", ""],
      ["/policies", { ...tried, org: "one" }, "org", "Only organization", '"one" is not a whole number'],
      ["/policies", { ...tried, rule: "a|B" }, "rule", "Only rule", "a policy is for a whole rule"],
      [
        "/policies",
        { ...tried, set_cooldown: "3" },
        "set_cooldown",
        "Cooldown",
        "the setting cooldown is an",
      ],
      ["/policies", { ...tried, set_filter: "impact >" }, "set_filter", "Filter", ""],
      [
        "/policies",
        { ...tried, set_total_risk_threshold: "9" },
        "set_total_risk_threshold",
        "Total risk from",
        "",
      ],
      [
        "/policies",
        { ...tried, set_max_events: "(none)" },
        "set_max_events",
        "Most issues",
        "the setting max_events",
      ],
      ["/deliveries", { ...replayed, from: "x" }, "from", "From (UTC)", '"x" is not a time'],
      ["/deliveries", { ...replayed, to: "2025-01-01" }, "to", "Before (UTC)", ""],
      ["/deliveries", { ...replayed, org: "x" }, "org", "Organization", '"x" is not a whole number'],
    ];
    for (const [at, form, field, label, sentence] of forms) {
      const { status, text } = await post(local, at, form);
      assert.equal(status, 400, `${at} ${field}: ${text.slice(-1_000)}`);
      assertRefused(
        text,
        field,
        label.startsWith("Most") || label === "Reason" ? fullLabel(text, field) : label,
        sentence,
      );
      for (const [name, typed] of Object.entries(form))
        if (name !== "do" && !["target", "everything"].includes(name))
          assert.ok(
            text.includes(`name="${name}" value="${typed.replace(">", "&gt;")}"`),
            `${name} of ${at}`,
          );
    }
    const { seen, proofOfTrial } = trialIn((await post(local, "/policies", tried)).text);
    const short = await post(local, "/policies", {
      ...tried,
      do: "apply",
      seen,
      tried: proofOfTrial,
      reason: "no",
    });
    assert.equal(short.status, 400);
    assertRefused(short.text, "reason", fullLabel(short.text, "reason"), "");
    assert.equal(trialIn(short.text).proofOfTrial, proofOfTrial, "it can be applied with a better one");
  });

  const fullLabel = (text: string, field: string) => {
    const [, id] = new RegExp(`<(?:input|select) id="([^"]+)" name="${field}"`).exec(text) ?? [];
    return new RegExp(`<label for="${id}">([^<]*)`).exec(text)?.[1] ?? assert.fail(field);
  };

  /** What the page that shows a trial carries of it. */
  const trialIn = (text: string) => ({
    seen: /name="seen" value="(\w+)"/.exec(text)?.[1] ?? "",
    proofOfTrial: /name="tried" value="(\w+)"/.exec(text)?.[1] ?? "",
  });

  test("what is applied is what was tried: another change, or another scope, is tried first", async () => {
    const form = { target: "service log", set_max_events: "7", reason: "for the test" };
    const settings = () =>
      value(
        database.pool,
        "select jsonb_agg(to_jsonb(p) order by policy_id) from policies p where target = 'service log'",
      );
    const before = await settings();
    const acts = "select count(*)::integer from console_act";
    const acted = await value(database.pool, acts);
    const { seen, proofOfTrial } = trialIn((await post(local, "/policies", { ...form, do: "try" })).text);
    assert.notEqual(proofOfTrial, "");
    const applied = { ...form, do: "apply", seen, tried: proofOfTrial };
    const others: Record<string, string>[] = [
      { ...applied, tried: "" },
      { ...applied, set_max_events: "8" },
      { ...applied, set_cooldown: "1 day" },
      { ...applied, set_max_events: "", set_cooldown: "1 day" },
      { ...applied, target: "notifications backend" },
      { ...applied, org: "1" },
      { ...applied, rule: "disk" },
    ];
    for (const other of others) {
      const { status, text } = await post(local, "/policies", other);
      assert.equal(status, 409, JSON.stringify(other));
      assert.match(text, /The form was changed after it was tried\. Nothing was applied/);
      assert.match(text, /id="tried"/, "what it does now is shown");
      assert.notEqual(trialIn(text).proofOfTrial, other.tried);
    }
    assert.deepEqual(await settings(), before);
    assert.equal(await value(database.pool, acts), acted);
  });

  test("a trial that takes more than a moment is announced, by what the newest survey took", async () => {
    const { pool } = database;
    const says = async (at = "/policies?view=try") =>
      /<p id="try-takes">(.*?)<\/p>/.exec((await get(local, at)).text)?.[1];
    assert.equal(await says(), undefined, "nothing was measured");
    try {
      const survey = await value(pool, "select ask_survey('decisions')");
      while ((await value(pool, "select run_survey_part($1)", [survey])) !== null);
      await pool.query("update survey_part set seconds = 0.01");
      assert.equal(await says(), undefined, "it takes a moment");
      await pool.query("update survey_part set seconds = 40");
      const all = "This takes about 40 s, for 8 decisions before and after";
      assert.equal(await says(), `${all}, and longer for the last week.`);
      assert.match(
        (await get(local, "/policies?view=try")).text,
        /aria-describedby="try-takes" data-takes="40"/,
      );
      assert.equal(
        await says(`/policies?view=try&org=${mine.org}`),
        "This takes about 20 s, for 4 decisions before and after.",
      );
      const week = await value(
        pool,
        `select ask_survey('backtest', jsonb_build_object('target', 'service log', 'from', now() - interval '7 days',
           'to', now()))`,
      );
      while ((await value(pool, "select run_survey_part($1)", [week])) !== null);
      await pool.query("update survey_part set seconds = 5 where survey_id = $1", [week]);
      assert.match((await says()) ?? "", /^This takes about 5[01] s, for 8 decisions before and after\.$/);

      await pool.query("update survey_part set seconds = 500 where survey_id = $1", [week]);
      const change = { target: "service log", set_max_events: "7", set_cooldown: "2 days" };
      const { text } = await post(local, "/policies", { ...change, do: "try" });
      const command = /<code>(ccx survey ask backtest .*?)<\/code>/.exec(text)?.[1] ?? "";
      assert.match(
        command.replaceAll("&#39;", "'"),
        /^ccx survey ask backtest (?=.*'cooldown=2 days')(?=.*\bmax_events=7 ).* --target 'service log' --from \d{4}-\d\d-\d\d$/,
      );
      assert.notEqual(trialIn(text).proofOfTrial, "", "what it does now was tried, and may be applied");
    } finally {
      await pool.query("delete from survey");
    }
  });

  test("a table is sorted, narrowed and read page by page without losing or repeating a row", async () => {
    await database.pool.query(
      `insert into silence (org_id, cluster, tag, period, reason)
     select 5, case when n % 3 > 0 then 'cluster-' || n % 7 end, 'tag-' || n, tstzrange(now(), now() + (n % 7 + 1) * interval '1 day'),
       repeat('=2+2', n % 2) || 'because ' || n % 11 from generate_series(1, 130) n`,
    );
    const count = await value(database.pool, "select count(*)::integer from silences where org_id = 5");
    for (const sort of ["id", "ends_at", "reason", "ended_by", "cluster"])
      for (const dir of ["asc", "desc"]) {
        const seen: string[] = [];
        let at: string | undefined = `/silences?view=silences&org_id=5&sort=${sort}&dir=${dir}`;
        while (at !== undefined) {
          const { text }: { text: string } = await get(local, at);
          const [, table = ""] = text.split("<tbody>");
          seen.push(
            ...[...table.matchAll(/<tr><td[^>]*>.*?<\/td><td class="number"[^>]*>(\d+)</gs)].map(
              ([, id = ""]) => id,
            ),
          );
          at = /rel="next" href="\/console([^"]+)"/.exec(text)?.[1]?.replaceAll("&amp;", "&");
        }
        assert.equal(seen.length, count, `${sort} ${dir}`);
        assert.equal(new Set(seen).size, count, `${sort} ${dir}`);
        const { text } = await get(local, `/list/silences.json?org_id=5&sort=${sort}&dir=${dir}`);
        const downloaded: { id: number }[] = JSON.parse(text);
        assert.deepEqual(
          downloaded.map(({ id }) => String(id)),
          seen,
          `${sort} ${dir}`,
        );
      }
    const { text } = await get(local, "/list/silences.csv?org_id=5&sort=id");
    assert.match(text, /^id,/);
    assert.match(text, /,'=2\+2because/);
    assert.doesNotMatch(text, /,=2/);
    await database.pool.query("delete from silence where org_id = 5");
  });

  test("without configuration only who sits at this machine is let in", async () => {
    assert.equal(await asHost(local, `localhost:${local.port}`), 200);
    assert.equal(await asHost(local, "console.example.com"), 403);
    assert.equal((await get(local, "/", { "x-forwarded-for": "10.1.1.1" })).status, 403);
  });

  test("who has no token, a wrong one, or one that was taken back stays outside", async () => {
    const { status, text } = await get(known, "/new");
    assert.equal(status, 401);
    assert.match(text, /type="password"/);
    assert.equal((await get(known, "/new", bearer("guess"))).status, 401);
    assert.equal((await get(known, "/new", bearer(who.tokens.reader))).status, 200);
    assert.equal((await post(known, "/login", { token: "guess" })).status, 401);
    const entered = await post(known, "/login", { token: who.tokens.reader });
    assert.equal(entered.status, 303);
    const cookie = entered.headers.getSetCookie().find((one) => one.startsWith("ccx_console=")) ?? "";
    assert.match(cookie, /HttpOnly/);
    assert.match(cookie, /SameSite=Strict/);
    assert.equal((await get(known, "/new", { cookie: cookie.split(";")[0] ?? "" })).status, 200);
    await writeFile(who.file, who.lines.filter((line) => !line.includes("rita")).join("\n"));
    assert.equal((await get(known, "/new", bearer(who.tokens.reader))).status, 401);
    await writeFile(who.file, who.lines.join("\n"));
    assert.equal((await get(known, "/new", bearer(who.tokens.reader))).status, 200);
  });

  test("an identity counts from a trusted proxy only, and an unknown one is refused", async () => {
    const identity = (it: unknown) => Buffer.from(JSON.stringify({ identity: it })).toString("base64");
    const percy = identity({ type: "Associate", associate: { email: "percy" } });
    const other = identity({ type: "Associate", associate: { email: "somebody" } });
    const come = (header: string) => get(known, "/acts", { "x-rh-identity": header });
    assert.match((await come(percy)).text, /percy, <small>may act/);
    assert.equal((await come(other)).status, 403);
    assert.equal((await come("not base64 of anything")).status, 403);
    assert.equal((await come(identity({ type: "User", user: { username: "u" } }))).status, 403);
    await using far = await startConsole(database.url, { CCX_CONSOLE_TRUSTED_PROXIES: "10.0.0.0/8" });
    assert.equal((await get(far, "/acts", { "x-rh-identity": percy })).status, 401);
  });

  test("a name from a proxy, and a note in an address, are shown as text", async () => {
    const email = `<script>alert(1)</script>"'\u202Ednim{{=1}}`;
    const header = Buffer.from(JSON.stringify({ identity: { type: "Associate", associate: { email } } }));
    await using open = await startConsole(database.url, { CCX_CONSOLE_TRUSTED_PROXIES: "127.0.0.1" });
    const { status, text } = await get(open, "/silences", { "x-rh-identity": header.toString("base64") });
    assert.equal(status, 200);
    assert.ok(
      text.includes("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;[U+202E]dnim{{=1}}, <small>may look"),
      text.slice(0, 3_000),
    );
    for (const done of ["constructor", "__proto__", "<b>"])
      assert.doesNotMatch((await get(local, `/silences?done=${done}`)).text, /class="note"/, done);
    assert.match(
      (await get(local, "/silences?done=ended")).text,
      /class="note" role="status">The silence has/,
    );
  });

  const silence = { do: "add", org: String(mine.org), for: "2 hours", reason: "for the test" };

  test("a reader cannot act, whatever form he sends", async () => {
    const headers = bearer(who.tokens.reader);
    const forms: [string, Record<string, string>][] = [
      ["/silences", silence],
      ["/silences", { ...silence, do: "preview" }],
      ["/silences", { do: "end", id: "1" }],
      ["/deliveries", { do: "redrive", id: "1" }],
      ["/deliveries", { do: "close", target: "service log" }],
      ["/deliveries", { do: "replay", from: "2026-01-01", to: "2026-01-02" }],
      ["/policies", { do: "try", target: "service log", set_cooldown: "1 day" }],
      [
        "/policies",
        { do: "apply", target: "service log", set_cooldown: "1 day", seen: "2", reason: "because" },
      ],
      [`/rejected/${rejected}`, { do: "retry" }],
      [`/clusters/${mine.cluster}`, { do: "acknowledge", org: String(mine.org), rule: "disk|KEY" }],
    ];
    const routes = (await consoleRoutes()).filter((route) => /^POST \/(?!log)/.test(route));
    const everywhere = routes.map((route) => route.replace("POST ", "").replace(/:\w+/, "1"));
    for (const what of ["preview-replay", "ask-end", "unacknowledge", "zap"])
      forms.push(...everywhere.map((at): [string, Record<string, string>] => [at, { do: what }]));
    const all = [headers, bearer(who.tokens.narrowed), bearer(who.tokens.narrowedOperator)];
    for (const [at, form] of forms)
      for (const headers of all) {
        const { status, text } = await post(known, at, form, { headers });
        assert.equal(status, 403, `${at} ${form.do}: ${text.slice(-600)}`);
        assert.match(text, /may look, not act/, `${at} ${form.do}`);
      }
    assert.equal(await value(database.pool, "select count(*)::integer from silence"), 0);
    assert.equal(await value(database.pool, "select count(*)::integer from console_act"), 0);
  });

  test("a form needs its proof, and comes from a page of ours", async () => {
    const headers = bearer(who.tokens.operator);
    assert.equal((await post(known, "/silences", silence, { headers, proof: false })).status, 403);
    // nobody is logged in as somebody else by a page of others, nor out
    assert.equal((await post(known, "/login", { token: who.tokens.reader }, { proof: false })).status, 403);
    assert.equal((await post(known, "/logout", {}, { headers, proof: false })).status, 403);
    const elsewhere = { ...headers, origin: "https://evil.example" };
    assert.equal((await post(known, "/silences", silence, { headers: elsewhere })).status, 403);
    const across = { ...headers, "sec-fetch-site": "cross-site" };
    assert.equal((await post(known, "/silences", silence, { headers: across })).status, 403);
    assert.equal(await value(database.pool, "select count(*)::integer from silence"), 0);
  });

  test("what a person does is recorded with the name, where it is done and in the list of acts", async () => {
    const { status, headers } = await post(known, "/silences", silence, {
      headers: bearer(who.tokens.operator),
    });
    assert.equal(status, 303);
    assert.equal(headers.get("location"), "/console/silences?done=silenced");
    const by = await value(database.pool, "select created_by from silence");
    assert.match(String(by), /^olga \(\w+\)$/);
    assert.equal(await value(database.pool, "select person from console_act where act = 'silence'"), by);
    await post(
      known,
      "/silences",
      { do: "end", id: String(await value(database.pool, "select id from silence")) },
      {
        headers: bearer(who.tokens.operator),
      },
    );
    assert.equal(await value(database.pool, "select ended_by from silence"), by);
    assert.equal(await value(database.pool, "select count(*)::integer from console_act"), 2);
    const refused = await post(
      known,
      "/silences",
      { ...silence, for: "never" },
      { headers: bearer(who.tokens.operator) },
    );
    assert.equal(refused.status, 400);
    assert.match(refused.text, /name="for" value="never"/);
    assert.equal(await value(database.pool, "select count(*)::integer from console_act"), 2);
  });

  test("who applies a policy after somebody else changed it sees what was done first", async () => {
    const form = { target: "notifications backend", set_cooldown: "3 days", reason: "fewer of them" };
    const tried = await post(local, "/policies", { ...form, do: "try" });
    assert.equal(tried.status, 200, tried.text);
    const { seen, proofOfTrial } = trialIn(tried.text);
    await database.pool.query(
      "select set_policy('notifications backend', '{\"max_events\": 7}', 'was here first')",
    );
    const late = await post(local, "/policies", { ...form, do: "apply", seen, tried: proofOfTrial });
    assert.equal(late.status, 409);
    assert.match(late.text, /was here first/);
    const cooldown =
      "select cooldown::text from policies where target = 'notifications backend' and org_id is null";
    assert.equal(await value(database.pool, cooldown), "7 days");
    const again = trialIn(late.text);
    const applied = { ...form, do: "apply", seen: again.seen, tried: again.proofOfTrial };
    assert.equal((await post(local, "/policies", applied)).status, 303);
    assert.equal(await value(database.pool, cooldown), "3 days");
  });

  test("a form that says nothing known to do, or changes nothing, does nothing", async () => {
    const forms: [string, Record<string, string>][] = [
      ["/silences", { ...silence, do: "zap" }],
      ["/deliveries", { id: "1" }],
      ["/policies", { do: "zap", target: "service log", set_cooldown: "1 day" }],
      [`/rejected/${rejected}`, { do: "" }],
      [`/clusters/${mine.cluster}`, { do: "zap", org: String(mine.org), rule: "disk|KEY" }],
    ];
    const acts = "select count(*)::integer from console_act";
    const before = await value(database.pool, acts);
    for (const [at, form] of forms) assert.equal((await post(local, at, form)).status, 404, at);
    // an address does nothing, whatever it says: a link or a picture elsewhere may lead to it
    for (const [at, form] of [["/silences", silence], ["/policies", { do: "apply" }], ...forms] as const)
      assert.ok((await get(local, `${at}?${new URLSearchParams(form)}`)).status < 500, at);
    const seen = String(await value(database.pool, "select ccx.policy_to_change('service log', null, null)"));
    const same = await post(local, "/policies", {
      ...{ do: "apply", target: "service log", seen, reason: "nothing at all" },
    });
    assert.match(same.text, /Nothing is changed/);
    assert.equal(await value(database.pool, acts), before);
  });

  test("a database that is away is a page that says since when, and heals by itself", async () => {
    const url = new URL(database.url);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    url.hostname = "127.0.0.1";
    await using open = await startConsole(url.href);
    assert.equal((await get(open, "/rules")).status, 200);
    await proxy.refuse();
    const away = await until("the page says so", async () => {
      const { status, text } = await get(open, "/rules");
      return status === 503 ? text : "";
    });
    assert.match(away, /since <time datetime="20/);
    await proxy.heal();
    await until("it heals", async () => (await get(open, "/rules")).status === 200);
  });

  test("questions that nobody waits for any more are cancelled, also when they have every connection", async () => {
    await database.pool.query(
      `create or replace function ccx.rule_texts(rule text) returns table (
       rule_name text, error_key text, since timestamptz, until timestamptz, total_risk smallint, likelihood smallint,
       impact smallint, status text, tags text[], description text, reason text, resolution text)
     language plpgsql volatile as $$ begin perform pg_sleep(600); end $$`,
    );
    const asked = `select count(*)::integer from pg_stat_activity
    where datname = current_database() and application_name = 'ccx console' and wait_event = 'PgSleep'`;
    const gone = new AbortController();
    const connections = 6;
    const pages = Array.from({ length: connections + 2 }, () =>
      fetch(`${local.url}/rules/disk`, { signal: gone.signal }).catch(() => "gone"),
    );
    await until(
      "as many are asked as there are connections",
      async () => Number(await value(database.pool, asked)) === connections,
    );
    gone.abort();
    assert.deepEqual(new Set(await Promise.all(pages)), new Set(["gone"]));
    // sooner than the limit of a page would end them
    await until("they are cancelled", async () => Number(await value(database.pool, asked)) === 0, 20_000);
    assert.equal((await get(local, "/silences")).status, 200);
  });
});
