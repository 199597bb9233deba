import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { announcementFailures } from "../../src/analyze/failures.ts";
import { readRules, ruleOf } from "../../src/analyze/rule_files.ts";
import { openDatabase, testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { announcement, identityOf } from "../support/uploads.ts";

const database = testDatabase();
const topic = "platform.upload.announce";
const cluster = "00000000-0000-4000-8000-000000000001";
const url = "https://bucket.example/a";

const rows = async (sql: string, values: unknown[] = []) =>
  (await database.pool.query(sql, values)).rows as Record<string, unknown>[];
const row = async (sql: string, values: unknown[] = []) => (await rows(sql, values))[0] ?? {};

const load = (rules: Record<string, string>) => {
  const given = Object.entries(rules).map(([name, source]) => ({
    ...{
      name,
      component: `a.${name}.report`,
      description: name,
      reads: ["**"],
      tags: ["t"],
      links: {},
      source,
    },
  }));
  return rows("select rule, action from load_rules($1) order by rule", [JSON.stringify(given)]);
};

let offset = 0;

/** Has announcements taken from the next offsets on; as text unless they are an element of the batch. */
const take = (values: (string | object)[], at = "now") => {
  const batch = values.map((value) => ({
    ...{ kafka_offset: offset++, service: "openshift" },
    ...(typeof value === "string" ? { text: value } : value),
  }));
  return row("select * from take_announcements($1, 0, $2, at => $3)", [topic, JSON.stringify(batch), at]);
};

const claim = (more: { python?: boolean; keep?: number; at?: string } = {}) =>
  rows("select * from claim_analyses(10, '1 minute', $1, $2, $3)", [
    more.python ?? false,
    more.keep ?? 0,
    more.at ?? "now",
  ]);

type Given = {
  files?: Record<string, string>;
  configId?: string | null;
  python?: object;
  leftOut?: object[];
  keep?: boolean;
};

/** Hands the files of an archive over, as an analyzer that claimed it does. */
const analyze = (job: Record<string, unknown>, { files = {}, configId = cluster, ...more }: Given = {}) =>
  row("select * from analyze_archive($1, $2, $3, $4, $5, $6, $7, $8, 'a release', $9, $10)", [
    ...[job.id, job.attempt, job.rules_version, configId, Object.keys(files), Object.values(files)],
    ...[{ bytes: 10, entries: 2, downloaded_at: "2026-01-01T00:00:00Z" }, more.keep ?? false],
    ...[more.python ? JSON.stringify(more.python) : null, JSON.stringify(more.leftOut ?? [])],
  ]);

/** Takes, claims and analyzes one announcement. */
async function analyzed(
  given: Given = {},
  about: Partial<Parameters<typeof announcement>[0]> = {},
): Promise<
  Record<string, unknown> & { job: Record<string, unknown>; result: ReturnType<typeof JSON.parse> }
> {
  await take([announcement({ url, cluster, ...about })]);
  const [job] = await claim();
  assert.ok(job);
  const done: Record<string, unknown> = await analyze(job, given);
  return { ...done, job, result: typeof done.message === "string" ? JSON.parse(done.message) : undefined };
}

const fine = "select 'FINE_RULE', jsonb_build_object('files', count(*)) from files";

beforeEach(async () => {
  await database.pool.query("truncate analysis, sql_rule, kept_archive, rule_failure cascade");
  offset = 0;
  await database.pool.query("delete from consumer_offset");
});

// --- announcements

test("an announcement that does not conform is dead at once, with its bytes and a reason", async () => {
  const good = JSON.parse(announcement({ url, cluster })) as Record<string, unknown>;
  const said = new Set<string>();
  const identity = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
  for (const [value, failure] of [
    ["", "not_json"],
    ["{", "not_json"],
    ['{"request_id":"\\u0000"}', "not_json"],
    ["[1]", "not_object"],
    ["null", "not_object"],
    [{ ...good, request_id: undefined }, "no_request_id"],
    [{ ...good, request_id: "" }, "no_request_id"],
    [{ ...good, request_id: 5 }, "no_request_id"],
    [{ ...good, request_id: "x".repeat(256) }, "no_request_id"],
    [{ ...good, request_id: "", url: undefined }, "no_request_id"],
    [{ ...good, url: undefined }, "bad_url"],
    [{ ...good, url: ["https://x"] }, "bad_url"],
    [{ ...good, url: `https://x/${"y".repeat(4096)}` }, "bad_url"],
    [{ ...good, b64_identity: undefined }, "bad_identity"],
    [{ ...good, b64_identity: "no base64!" }, "bad_identity"],
    [{ ...good, b64_identity: Buffer.from("no json").toString("base64") }, "bad_identity"],
    [{ ...good, b64_identity: Buffer.from([0xff, 0xfe]).toString("base64") }, "bad_identity"],
    [{ ...good, b64_identity: identity({ identity: { internal: {} } }) }, "no_org_id"],
    [{ ...good, b64_identity: identity({ identity: { internal: { org_id: "-5" } } }) }, "no_org_id"],
    [{ ...good, b64_identity: identity({ identity: { internal: { org_id: "1e3" } } }) }, "no_org_id"],
    [{ ...good, b64_identity: identity({ identity: { internal: { org_id: "12345678901" } } }) }, "no_org_id"],
    [{ ...good, timestamp: undefined }, "bad_timestamp"],
    [{ ...good, timestamp: "yesterday" }, "bad_timestamp"],
    [{ ...good, timestamp: "2026-02-30T00:00:00Z" }, "bad_timestamp"],
    [{ ...good, timestamp: "2026-02-03T00:00:60Z" }, "bad_timestamp"],
    [{ ...good, timestamp: "2026-02-03 00:00:00" }, "bad_timestamp"],
    [{ ...good, timestamp: "1969-12-31T23:59:59.999999999Z" }, "bad_timestamp"],
    [{ ...good, timestamp: "2026-02-03T00:00:00.0123456789Z" }, "bad_timestamp"],
    [{ ...good, timestamp: "9999-02-03T00:00:00Z" }, "future_timestamp"],
  ] as [string | Record<string, unknown>, string][]) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const counts = await take([text]);
    assert.deepEqual([counts.taken, counts.dead], [0, 1], text.slice(0, 200));
    const dead = await row("select * from dead_analysis order by analysis_id desc limit 1");
    assert.equal(dead.failure, failure, text.slice(0, 200));
    assert.equal((dead.announcement as Buffer).toString(), text);
    assert.equal(dead.redrivable, false);
    said.add(failure);
  }
  for (const reason of ["tombstone", "invalid_utf8", "announcement_too_large", "unreadable"] as const) {
    await take([{ reason, detail: "said by the consumer" }]);
    said.add(reason);
  }
  assert.deepEqual([...said].sort(), [...announcementFailures].sort(), "each reason was seen");
  const [refused] = await rows(
    "select * from redrive_analyses(array(select id from analysis order by id limit 1))",
  );
  assert.equal(refused?.refusal, "its announcement does not conform");
});

test("what is for another service is skipped, by its header or, without one, by what it says", async () => {
  const other = announcement({ url, more: { service: "advisor" } });
  const counts = await take([
    { service: "advisor", text: "{" },
    { service: null, text: other },
    { service: "openshift", text: other },
    { service: null, text: announcement({ url }) },
    { service: null, text: "{" },
  ]);
  assert.deepEqual([counts.taken, counts.dead, counts.skipped], [2, 1, 2]);
  assert.equal(counts.next_offset, "5");
});

test("an announcement is taken once, whoever brings it again", async () => {
  const at = new Date("2026-01-01T00:00:00Z");
  const one = announcement({ url, requestId: "r", org: 1, at });
  assert.equal((await take([one])).taken, 1);
  assert.deepEqual(await take([one]), { taken: 0, known: 1, dead: 0, skipped: 0, next_offset: "2" });
  offset = 0; // Kafka hands it over again
  assert.deepEqual(await take([one]), { taken: 0, known: 0, dead: 0, skipped: 1, next_offset: "2" });
  offset = 2;
  assert.equal(
    (await take([announcement({ url, requestId: "r", org: 2, at })])).taken,
    1,
    "somebody else's id",
  );
  const behind = "select from take_announcements($1, 0, '[]', expected_offset => 4)";
  await assert.rejects(database.pool.query(behind, [topic]), { code: "NTI02" });
  const anew = "select from take_announcements($1, 0, '[]', 1)";
  await assert.rejects(database.pool.query(anew, [topic]), { code: "NTI01" });
});

test("who uploaded what, and when, is read as the reference has it", async () => {
  await take([
    announcement({
      url,
      requestId: "a",
      org: 7,
      cluster: cluster.toUpperCase(),
      at: new Date("2026-01-01T00:00:00.123Z"),
    }),
    announcement({
      ...{ url, requestId: "b", org: 8 },
      more: { metadata: {}, account: "", b64_identity: identityOf(8, "no uuid").replaceAll("=", "") },
      at: new Date("2026-01-01T00:00:00Z"),
    }),
  ]);
  assert.deepEqual(
    await rows(`select org_id, account_number, cluster, vouched, announced_at, last_checked, gathering_time
      from analysis order by id`),
    [
      {
        ...{ org_id: "7", account_number: "6212377", cluster, vouched: true },
        ...{ announced_at: "2026-01-01T00:00:00.123478Z", last_checked: "2026-01-01T00:00:00.123478901Z" },
        gathering_time: "2026-11-27T07:31:46Z",
      },
      {
        ...{ org_id: "8", account_number: "6212377", cluster: null, vouched: false },
        ...{ announced_at: "2026-01-01T00:00:00.000478Z", last_checked: "2026-01-01T00:00:00.000478901Z" },
        gathering_time: "2026-01-01T00:00:00.000478Z",
      },
    ],
  );
});

test("an account or an organization that is no number is none, and no reason to refuse the whole", async () => {
  const identified = (internal: object, more: object) =>
    Buffer.from(JSON.stringify({ identity: { internal, ...more } })).toString("base64");
  for (const account of ["", "none", "0", "9".repeat(30)]) {
    const b64_identity = identified({ org_id: "7" }, {});
    await take([announcement({ url, more: { account, b64_identity } })]);
    const b64_other = identified({}, { org_id: "7", account_number: account });
    await take([announcement({ url, more: { account: "5", b64_identity: b64_other } })]);
  }
  assert.deepEqual(await rows("select distinct state, org_id, account_number, failure from analysis"), [
    { state: "waiting", org_id: "7", account_number: null, failure: null },
  ]);
  await database.pool.query("truncate analysis cascade");
  for (const org of ["", "none", "0", "9".repeat(30)])
    await take([
      announcement({ url, more: { b64_identity: identified({ org_id: org }, { type: "User" }) } }),
    ]);
  assert.deepEqual(await rows("select distinct state, failure from analysis"), [
    { state: "dead", failure: "no_org_id" },
  ]);
});

test("an upload by a clock that is ahead waits until our own consumer takes its result", async () => {
  await load({ fine });
  await take([announcement({ url, at: new Date("2026-01-01T01:00:00Z") })], "2026-01-01T00:00:00Z");
  assert.equal((await claim({ at: "2026-01-01T00:54:00Z" })).length, 0);
  assert.equal((await claim({ at: "2026-01-01T00:56:00Z" })).length, 1);
});

// --- rules

test("a rule is a query; what is none, or not of this form, is not loaded, and nothing changes", async () => {
  assert.deepEqual(await load({ fine }), [{ rule: "fine", action: "added" }]);
  assert.deepEqual(await load({ fine }), [{ rule: "fine", action: "unchanged" }]);
  for (const source of [
    "select 1",
    "select 'A_B', 1",
    "select 'A_B', '{}'::jsonb, 3",
    "selec",
    "",
    "select 'A_B', '{}'::jsonb from no_such_table",
    "select 'A_B', '{}'::jsonb from public.analysis; drop table public.analysis",
    "delete from files returning 'A_B', '{}'::jsonb",
    "create table x (); select 'A_B', '{}'::jsonb",
    "set role none; select 'A_B', '{}'::jsonb",
    "$$ language sql; drop table public.analysis; select $$",
  ]) {
    // a body may be checked when it is loaded, or fail when it runs; it does nothing in either case
    const loaded = await load({ fine, bad: source }).catch((error) => error.code);
    if (loaded === "NTY03") continue;
    const ran = await row("select * from probe_rule('bad', '{config/id}', '{x}')");
    assert.equal(ran.reason, "raised", source);
    assert.deepEqual(ran.hits, []);
    await load({ fine });
  }
  assert.deepEqual(await rows("select name from sql_rule"), [{ name: "fine" }]);
  assert.deepEqual(await load({ other: fine }), [
    { rule: "fine", action: "removed" },
    { rule: "other", action: "added" },
  ]);
  for (const none of ["[]", "{}", "null"])
    await assert.rejects(rows("select from load_rules($1)", [none]), { code: "NTY02" });
  for (const name of ["Bad", "1a", 'a"; drop table analysis; --', ""])
    await assert.rejects(load({ [name]: fine }), { code: /^(23514|NTY03)$/ }, name);
});

test("a rule can read one archive and nothing else, and leaves nothing behind", async () => {
  const attempts = {
    reads_a_table: "select 'A_B', to_jsonb(a) from public.analysis a",
    reads_an_internal: "select 'A_B', to_jsonb(o) from ccx.code_object o",
    reads_kept: "select 'A_B', to_jsonb(d) from public.archive_document d",
    becomes_another:
      "select 'A_B', jsonb_build_object('role', set_config('role', 'none', true), 'n', (select count(*) from public.analysis))",
    reads_a_file: "select 'A_B', to_jsonb(pg_read_file('/etc/passwd'))",
    runs_a_program: "select 'A_B', to_jsonb(pg_ls_dir('.'))",
    reads_passwords: "select 'A_B', to_jsonb(a) from pg_authid a",
  };
  await load(attempts);
  const before = await row("select count(*)::integer as kept from archive_document");
  for (const name of Object.keys(attempts)) {
    const ran = await row("select * from probe_rule($1, '{config/id}', '{x}')", [name]);
    assert.deepEqual([ran.hits, ran.reason], [[], "raised"], `${name}: ${ran.detail}`);
  }
  assert.deepEqual(await row("select count(*)::integer as kept from archive_document"), before);

  await load({
    changes_settings:
      "select 'A_B', jsonb_build_object('a', set_config('ccx.left', 'behind', false), 'b', lo_create(4711))",
    locks: "select 'A_B', jsonb_build_object('a', pg_advisory_lock(4711)::text)",
  });
  const client = await database.pool.connect();
  try {
    await client.query("set client_min_messages = error");
    for (const name of ["changes_settings", "locks"]) {
      const { rows: ran } = await client.query("select reason from probe_rule($1, '{config/id}', '{x}')", [
        name,
      ]);
      assert.deepEqual(ran, [{ reason: null }]);
    }
    const left = await client.query(`select coalesce(current_setting('ccx.left', true), '') as setting,
      (select count(*)::integer from pg_largeobject_metadata) as objects,
      (select count(*)::integer from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
      (select count(*)::integer from pg_temp.files) as files, current_user = session_user as oneself`);
    assert.deepEqual(left.rows, [{ setting: "", objects: 0, locks: 0, files: 0, oneself: true }]);
  } finally {
    client.release();
  }
});

test("a rule that fails in any way has its reason, and the others' hits are published", async () => {
  const big = "repeat('x', 70000)";
  await load({
    fine,
    a_raises: "select 'A_B', to_jsonb(1 / count(*)) from files where false",
    b_rows: "select 'K_' || n, '{}'::jsonb from generate_series(1, 1000000) n",
    c_null: "select null::text, '{}'::jsonb",
    d_key: "select 'not a key', '{}'::jsonb",
    e_twice: "select 'A_B', '{}'::jsonb union all select 'A_B', '{}'::jsonb",
    f_details: "select 'A_B', '[1]'::jsonb",
    g_huge: "select 'A_B', jsonb_build_object('x', repeat('x', 6000000))",
    h_long: `select 'LONG_DETAILS', jsonb_build_object('x', ${big})`,
    i_none: "select 'A_B', '{}'::jsonb where false",
    j_nothing: "select 'NO_DETAILS', null::jsonb",
    k_endless: "select repeat('A', 200) || '_B', '{}'::jsonb",
  });
  const { state, failed, hits, result, job } = await analyzed({
    files: { "config/id": cluster, "a.json": "{}" },
  });
  assert.deepEqual([state, failed, hits], ["analyzed", 8, 3]);
  assert.deepEqual(
    result.Report.reports.map(({ key, details }: { key: string; details: object }) => [key, details]),
    [
      ["FINE_RULE", { files: 2, type: "rule", error_key: "FINE_RULE" }],
      ["LONG_DETAILS", { max_detail_length_error: 70_009, type: "rule", error_key: "LONG_DETAILS" }],
      ["NO_DETAILS", { type: "rule", error_key: "NO_DETAILS" }],
    ],
  );
  assert.deepEqual(await rows("select component, reason from failing_rules order by component"), [
    { component: "a.a_raises.report", reason: "raised" },
    { component: "a.b_rows.report", reason: "too_many_rows" },
    { component: "a.c_null.report", reason: "no_key" },
    { component: "a.d_key.report", reason: "bad_key" },
    { component: "a.e_twice.report", reason: "duplicate_key" },
    { component: "a.f_details.report", reason: "bad_details" },
    { component: "a.g_huge.report", reason: "details_too_large" },
    { component: "a.k_endless.report", reason: "bad_key" },
  ]);
  const [twice] = await rows(
    "select hits, reason from ccx.open_files('{}', '{}') cross join lateral ccx.run_rule('e_twice')",
  );
  assert.deepEqual(twice, { hits: [], reason: "duplicate_key" }, "nothing of what a rule returned before");
  assert.deepEqual(await rows("select distinct analysis_id from rule_failure"), [{ analysis_id: job.id }]);
});

test("a rule that is too slow three times in a row is suspended, until it is loaded again", async () => {
  const slow = "select 'A_B', '{}'::jsonb from pg_sleep(600)";
  await load({ fine, slow });
  const leftOut = [{ rule: "slow", reason: "timed_out", detail: "it took longer than a rule may" }];
  for (let nth = 1; nth <= 3; nth++) {
    const { failed, hits } = await analyzed({ leftOut });
    assert.deepEqual([failed, hits], [1, 1]);
    const { timeouts, suspended } = await row(
      "select timeouts, suspended_at is not null as suspended from sql_rule where name = 'slow'",
    );
    assert.deepEqual([timeouts, suspended], [nth, nth === 3]);
  }
  const { failed } = await analyzed();
  assert.equal(failed, 0, "it does not even run");
  assert.deepEqual(await load({ fine, slow }), [
    { rule: "fine", action: "unchanged" },
    { rule: "slow", action: "resumed" },
  ]);
  assert.deepEqual(
    await rows("select name from sql_rule where suspended_at is not null or timeouts > 0"),
    [],
  );
});

const late = (...rules: string[]) =>
  rules.map((rule) => ({ rule, reason: "timed_out", detail: "it took longer than a rule may" }));
const pythonLate = (count: number, rules: number) => ({
  ...{ reports: [], rules },
  failures: Array.from({ length: rules }, (_, nth) => ({
    ...{ component: `p.r${nth}`, reason: nth < count ? "timed_out" : "raised", detail: "why" },
  })),
});

test("where most rules of an engine are too slow, the archive is tried again, and no rule is to blame", async () => {
  const names = ["a", "b", "c", "d"];
  await load(Object.fromEntries(names.map((name) => [name, fine])));
  for (const [given, error] of [
    [{ leftOut: late("a", "b", "c") }, "3 of 4 SQL rules took longer than a rule may"],
    [{ leftOut: late(...names) }, "4 of 4 SQL rules took longer than a rule may"],
    [{ python: pythonLate(2, 3) }, "2 of 3 Python rules took longer than a rule may"],
    [{ python: pythonLate(2, 2) }, "2 of 2 Python rules took longer than a rule may"],
  ] as const) {
    const done = await analyzed(given as Given);
    assert.deepEqual([done.state, done.failure, done.error], ["waiting", "overloaded", error]);
    assert.deepEqual([done.message, done.hits], [null, null]);
    const seen = await row("select step, detail from trace($1) order by place desc", [done.job.request_id]);
    assert.deepEqual(seen, { step: "next try", detail: `overloaded: ${error}` });
  }
  assert.deepEqual(await rows("select from rule_failure"), []);
  assert.deepEqual(await rows("select distinct timeouts, suspended_at from sql_rule"), [
    { timeouts: 0, suspended_at: null },
  ]);
});

test("half of the rules, or the only one, are too slow by their own fault", async () => {
  await load({ a: fine, b: fine, c: fine, d: fine });
  for (const [given, failed] of [
    [{ leftOut: late("a", "b") }, 2],
    [{ python: pythonLate(2, 4) }, 4],
    [{ python: pythonLate(1, 1) }, 1],
    [{ python: pythonLate(0, 3) }, 3],
    // a result of two engines, neither of which is late as a whole
    [{ leftOut: late("a", "b"), python: pythonLate(2, 4) }, 6],
  ] as const) {
    const done = await analyzed(given as Given);
    assert.deepEqual([done.state, done.failed], ["analyzed", failed], JSON.stringify(given));
  }
  await load({ a: fine });
  assert.equal((await analyzed({ leftOut: late("a") })).state, "analyzed");
});

test("an overload ends well on a later try, or after twelve of them as dead, and can be redriven", async () => {
  await load({ a: fine, b: fine });
  const leftOut = late("a", "b");
  await take([announcement({ url, cluster, requestId: "well" }), announcement({ url, cluster })]);
  const [well, never] = await claim();
  for (const job of [well, never]) assert.equal((await analyze(job ?? {}, { leftOut })).state, "waiting");
  await rows("update analysis set next_attempt_at = now()");
  const [again, other] = await claim();
  assert.deepEqual([again?.request_id, again?.attempt], ["well", 2]);
  assert.deepEqual(
    [(await analyze(again ?? {})).hits, (await analyze(other ?? {}, { leftOut })).state],
    [2, "waiting"],
  );
  for (let attempt = 3; attempt <= 12; attempt++) {
    await rows("update analysis set next_attempt_at = now() where state = 'waiting'");
    const [job] = await claim();
    assert.equal(job?.attempt, attempt);
    const { state } = await analyze(job ?? {}, { leftOut });
    assert.equal(state, attempt < 12 ? "waiting" : "dead");
  }
  assert.deepEqual(await rows("select analysis_id, failure, redrivable from dead_analysis"), [
    { analysis_id: never?.id, failure: "overloaded", redrivable: true },
  ]);
  assert.deepEqual(await rows("select from rule_failure"), []);
});

test("what is JSON is a document, what is not is a text, whatever PostgreSQL cannot hold", async () => {
  await load({
    kinds: `select 'FILE_KINDS', jsonb_object_agg(path, case when document is null then 'text' else jsonb_typeof(document) end)
      from files`,
  });
  const { result } = await analyzed({
    files: {
      "a.json": '{"a":1}',
      "array.json": "[]",
      "cut.json": '{"a":',
      "nul.json": '{"a":"\\u0000"}',
      "surrogate.json": '{"a":"\\ud800"}',
      "number.json": '{"a":1e999999}',
      "deep.json": "[".repeat(50_000),
      "a.log": "{}",
      "empty.json": "",
    },
  });
  const { type: _, error_key: __, ...kinds } = result.Report.reports[0].details;
  assert.deepEqual(kinds, {
    ...{
      "a.json": "object",
      "array.json": "array",
      "cut.json": "text",
      "nul.json": "text",
      "surrogate.json": "text",
    },
    ...{ "number.json": "text", "deep.json": "text", "a.log": "text", "empty.json": "text" },
  });
});

// --- results

test("the hits of both engines are merged by component, in one order", async () => {
  await load({ fine });
  const hit = (component: string, key: string) => ({
    ...{ rule_id: `x|${key}`, component, type: "rule", key, details: { z: 1, a: 2 }, tags: [], links: {} },
  });
  const python = {
    reports: [hit("z.rules.last", "LAST_ONE"), hit("a.fine", "FINE_RULE"), hit("A.rules.first", "FIRST_ONE")],
    info: [{ info_id: "version_info|X", details: {} }],
    plugin_sets: { "insights-core": { version: "3", commit: null } },
    version: 3,
    failures: [{ component: "z.rules.other", reason: "raised", detail: "KeyError" }],
  };
  const { result, failed } = await analyzed({ python });
  assert.deepEqual(
    result.Report.reports.map(({ component, key }: Record<string, string>) => [component, key]),
    [
      ["A.rules.first", "FIRST_ONE"],
      ["a.fine.report", "FINE_RULE"],
      ["z.rules.last", "LAST_ONE"],
    ],
    "what both have is that of SQL, whose component ends in .report",
  );
  assert.equal(JSON.stringify(result.Report.reports[0].details), '{"z":1,"a":2}', "as Python wrote it");
  assert.deepEqual([result.Version, result.Report.info, failed], [3, python.info, 1]);
  assert.deepEqual(result.Report.analysis_metadata.plugin_sets, python.plugin_sets);
});

test("a healthy cluster has a result, too, without hits", async () => {
  await load({ none: "select 'A_B', '{}'::jsonb where false" });
  const { message, result } = await analyzed({}, { more: { account: "none" } });
  assert.deepEqual(result.Report.reports, []);
  assert.ok(String(message).endsWith("\n"));
  assert.equal(result.Report.analysis_metadata.plugin_sets["ccx-notifications"].version, "a release");
});

test("a rule that is too slow now and then is not suspended, and none may make functions of its own", async () => {
  const slow = "select 'A_B', '{}'::jsonb";
  await load({ fine, slow });
  const leftOut = [{ rule: "slow", reason: "timed_out", detail: "it took longer than a rule may" }];
  for (const late of [leftOut, leftOut, [], leftOut, leftOut]) await analyzed({ leftOut: late });
  assert.deepEqual(await rows("select timeouts, suspended_at from sql_rule where name = 'slow'"), [
    { timeouts: 2, suspended_at: null },
  ]);
  const [may] = await rows("select has_schema_privilege('ccx_rules', 'rules', 'create') as create");
  assert.deepEqual(may, { create: false });
});

test("what a rule locks for its session is free again, and what is nested too deeply stays a text", async () => {
  await load({
    deep: "select 'TOO_DEEP', jsonb_build_object('texts', count(body)) from files where path = 'deep.json'",
    locks: "select 'A_LOCK', jsonb_build_object('x', pg_advisory_lock(4711)::text)",
  });
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const { result, failed } = await analyzed({ files: { "deep.json": deep, "a.json": "{}" } });
  assert.deepEqual(
    [failed, ...result.Report.reports.map(({ details }: { details: object }) => details)],
    [0, { texts: 1, type: "rule", error_key: "TOO_DEEP" }, { x: "", type: "rule", error_key: "A_LOCK" }],
  );
  assert.deepEqual(
    await rows("select objid from pg_locks where locktype = 'advisory' and objid = 4711 and granted"),
    [],
  );
});

test("whose archive it is, the inner organization of the identity says first", async () => {
  const identity = { internal: { org_id: "7" }, org_id: "8" };
  const b64_identity = Buffer.from(JSON.stringify({ identity })).toString("base64");
  await take([announcement({ url, more: { b64_identity: b64_identity.replace(/.{20}/g, "$&\n") } })]);
  assert.deepEqual(await rows("select org_id, failure from analysis"), [{ org_id: "7", failure: null }]);
});

test("two processes claim without waiting for each other, and what ended is not failed by who comes late", async () => {
  await load({ fine });
  await take([announcement({ url, cluster })]);
  const other = await database.pool.connect();
  try {
    await other.query("begin");
    const claimed = await other.query(
      "select id, attempt from claim_analyses(10, '1 minute', false, 0, now())",
    );
    assert.equal(claimed.rowCount, 1);
    const quick = await database.pool.connect();
    await quick.query("begin; set local statement_timeout = '1s'");
    const left = await quick.query("select id from claim_analyses(10, '1 minute', false, 0, now())");
    assert.equal(left.rowCount, 0);
    await quick.query("rollback");
    quick.release();
    await other.query("commit");
    const [job] = claimed.rows;
    await rows("update analysis set interruptions = 2");
    await rows("select fail_analysis($1, $2, 'unreachable', 'x')", [job.id, job.attempt]);
    assert.deepEqual(await rows("select interruptions, state from analysis"), [
      { interruptions: 0, state: "waiting" },
    ]);
    await rows("update analysis set next_attempt_at = now()");
    const [again] = await claim();
    assert.equal((await analyze(again ?? {})).state, "analyzed");
    const late = await row("select fail_analysis($1, $2, 'unreachable', 'x') as state", [
      again?.id,
      again?.attempt,
    ]);
    assert.deepEqual([late.state, (await row("select state from analysis")).state], [null, "analyzed"]);
  } finally {
    other.release();
  }
});

test("an archive that nobody vouches for has to name its cluster again when it is tried again", async () => {
  await load({ fine });
  const { job } = await analyzed({}, { cluster: undefined, org: 77 });
  const refused = [{ id: job.id, permanent: true, failure: "result_refused", error: "no" }];
  const settled = await row("select dead from ccx.settle_results($1, 'results')", [JSON.stringify(refused)]);
  assert.deepEqual(settled, { dead: 1 });
  await rows("select refusal from redrive_analyses(array[$1::bigint])", [job.id]);
  assert.deepEqual(await rows("select state, cluster from analysis"), [{ state: "waiting", cluster: null }]);
});

test("what is just within the limits is taken", async () => {
  const lines = (text: string) => text.replaceAll(/.{60}/g, "$&\r\n ");
  const good = [
    { request_id: "x".repeat(255) },
    { url: `https://x/${"y".repeat(4086)}` },
    { b64_identity: lines(identityOf(9_999_999_999, cluster)) },
    { timestamp: "1970-01-01t00:00:00z" },
    { timestamp: "2026-01-02T00:00:00+00:00" },
  ].map((more) => announcement({ url, at: new Date("2026-01-01T00:00:00Z"), more }));
  const counts = await take(good, "2026-01-01T00:00:00Z");
  assert.deepEqual([counts.taken, counts.dead], [5, 0]);
  const tooLate = announcement({ url, more: { timestamp: "2026-01-02T00:00:00.001Z" } });
  assert.equal((await take([tooLate], "2026-01-01T00:00:00Z")).dead, 1);
  assert.equal((await row("select max(org_id) as org from analysis")).org, "9999999999");
});

test("who has no account in the identity has the one that the announcement names", async () => {
  const b64_identity = Buffer.from('{"identity":{"internal":{"org_id":"7"}}}').toString("base64");
  await take([announcement({ url, more: { account: "5", b64_identity } })]);
  assert.equal((await row("select account_number from analysis")).account_number, "5");
});

test("a gathering time that is none is that of the announcement", async () => {
  const at = new Date("2026-01-01T00:00:00Z");
  for (const gathering_time of [
    "yesterday",
    "2026-02-30T00:00:00Z",
    "2026-01-01 00:00:00+01:00",
    ["x"],
    null,
  ])
    await take([announcement({ url, at, more: { metadata: { custom_metadata: { gathering_time } } } })]);
  assert.deepEqual(await rows("select distinct gathering_time from analysis"), [
    { gathering_time: "2026-01-01T00:00:00.000478Z" },
  ]);
});

test("how far Kafka is stays known when a batch does not say it, and so does when something was last taken", async () => {
  const at = (day: number) => `2026-01-0${day}T00:00:00Z`;
  const known = () =>
    row(
      `select next_offset, high_watermark, high_watermark_at, stored_at, updated_at from consumer_offset
       where topic = $1`,
      [topic],
    );
  const call = (batch: object[], end: number | null, day: number, expected: number | null = null) =>
    rows("select from take_announcements($1, 0, $2, $3, $4, $5)", [
      ...[topic, JSON.stringify(batch), end, at(day), expected],
    ]);
  const stored = { next_offset: "1", high_watermark: "1", stored_at: at(1) };
  await call(
    [{ kafka_offset: 0, service: "openshift", text: announcement({ url, at: new Date(at(1)) }) }],
    1,
    1,
  );
  assert.deepEqual(await known(), { ...stored, high_watermark_at: at(1), updated_at: at(1) });
  // the end is where we are: all is consumed
  await call([], 1, 2, 1);
  assert.deepEqual(await known(), { ...stored, high_watermark_at: at(2), updated_at: at(2) });
  await call([], null, 3);
  assert.deepEqual(await known(), { ...stored, high_watermark_at: at(2), updated_at: at(3) });
  assert.deepEqual(await rows("select next_attempt_at from analysis"), [{ next_attempt_at: at(1) }]);
  await assert.rejects(rows("select from take_announcements($1, 0, '[]', at => null)", [topic]), {
    code: "NTK02",
  });
});

test("an upload that was announced long ago takes its turn with those of now", async () => {
  await take([announcement({ url, at: new Date("2025-01-01T00:00:00Z") })], "2026-01-01T00:00:00Z");
  assert.deepEqual(await rows("select next_attempt_at from analysis"), [
    { next_attempt_at: "2026-01-01T00:00:00Z" },
  ]);
});

test("a consumer that lost its partition and does not know it yet waits, and stores nothing twice", async () => {
  await take(["no json"]);
  const call = `select taken, known, dead, skipped from take_announcements('${topic}', 0,
    '[{"kafka_offset": 1, "service": "openshift", "text": "no json"}]')`;
  const [first, second] = await Promise.all([database.pool.connect(), database.pool.connect()]);
  try {
    await first.query("begin");
    await first.query(call);
    const {
      rows: [me],
    } = await second.query("select pg_backend_pid() as pid");
    const late = second.query(call);
    await until(
      "it waits",
      async () => (await rows("select from pg_locks where pid = $1 and not granted", [me.pid])).length > 0,
    );
    await first.query("commit");
    assert.deepEqual((await late).rows, [{ taken: 0, known: 0, dead: 0, skipped: 1 }]);
  } finally {
    first.release();
    second.release();
  }
  assert.equal((await rows("select from analysis")).length, 2);
});

test("an upload is kept once, and as many an hour as are wanted", async () => {
  await load({ fine });
  const keep = async (requestId: string, at: Date) => {
    await take([announcement({ url, cluster, requestId, at })]);
    const [job] = await claim({ keep: 1 });
    await analyze(job ?? {}, { files: { "b.log": "text" }, keep: true });
    return job?.keep;
  };
  assert.equal(await keep("same", new Date("2026-01-01T00:00:00Z")), true);
  await rows("update kept_archive set kept_at = kept_at - interval '61 minutes'");
  assert.equal(await keep("same", new Date("2026-01-01T00:00:01Z")), true, "the hour is over");
  assert.equal((await rows("select id from kept_archive")).length, 1);
  assert.equal((await rows("select state from analysis where state = 'analyzed'")).length, 2);
});

test("the cluster is that of the identity, or of the archive where nobody contradicts", async () => {
  await load({ fine });
  const other = "00000000-0000-4000-8000-000000000002";
  const unvouched = { cluster: undefined, org: 77 };
  for (const [configId, about, state, failure] of [
    [cluster, {}, "analyzed", null],
    [null, {}, "analyzed", null],
    ["garbage", {}, "analyzed", null],
    [other, {}, "dead", "other_cluster"],
    [`${other.toUpperCase()}\n`, unvouched, "analyzed", null],
    [null, unvouched, "dead", "no_cluster_id"],
    ["", unvouched, "dead", "bad_cluster_id"],
    ["no-uuid", unvouched, "dead", "bad_cluster_id"],
  ] as const) {
    const done = await analyzed({ configId }, about);
    assert.deepEqual([done.state, done.failure], [state, failure], `${configId} ${JSON.stringify(about)}`);
    if (state === "analyzed") assert.equal(done.cluster, "org" in about ? other : cluster);
  }
});

test("an archive does not take a cluster away from the organization that reports it, unless the identity vouches", async () => {
  await load({ fine });
  const taken = "00000000-0000-4000-8000-000000000003";
  await rows(
    `insert into new_reports (org_id, account_number, cluster, report, updated_at)
     values (1, 0, $1, '{"reports":[]}', now())`,
    [taken],
  );
  const guess = await analyzed({ configId: taken }, { org: 2, cluster: undefined });
  assert.deepEqual([guess.state, guess.failure], ["dead", "other_organization"]);
  assert.equal((await analyzed({ configId: taken }, { org: 1, cluster: undefined })).state, "analyzed");
  assert.equal((await analyzed({ configId: taken }, { org: 2, cluster: taken })).state, "analyzed");
  const later = new Date(Date.now() + 25 * 3_600_000);
  await rows("update analysis set next_attempt_at = now() where state = 'waiting'");
  await take([announcement({ url, org: 2, cluster: undefined, at: later })], later.toISOString());
  const [job] = await claim({ at: later.toISOString() });
  assert.ok(job);
  assert.equal((await analyze(job, { configId: taken })).state, "analyzed", "it has moved");
});

// --- the life of a job

test("without rules nothing is claimed; the Python engine may be the only one", async () => {
  await take([announcement({ url })]);
  assert.equal((await claim()).length, 0);
  assert.equal((await claim({ python: true })).length, 1);
});

test("an archive belongs to one process for the length of the lease", async () => {
  await load({ fine });
  await take([announcement({ url, cluster, at: new Date("2026-01-01T00:00:00Z") })], "2026-01-01T00:00:00Z");
  const at = "2026-01-02T00:00:00Z";
  const [first] = await claim({ at });
  assert.ok(first);
  assert.deepEqual(await claim({ at: "2026-01-02T00:00:59Z" }), []);
  const [second] = await claim({ at: "2026-01-02T00:01:00Z" });
  assert.equal(second?.attempt, 2);
  assert.equal((await analyze(first)).state, "lost", "who had it before comes too late");
  assert.equal(
    (await row("select fail_analysis($1, $2, 'not_found', 'x') as state", [first.id, first.attempt])).state,
    null,
  );
  assert.equal((await analyze(second ?? {})).state, "analyzed");
  assert.equal((await analyze(second ?? {})).state, "lost");
});

test("what may pass is tried again with longer and longer waits, then given up; the rest at once", async () => {
  await load({ fine });
  const fail = async (failure: string, attempt: number) => {
    await rows("update analysis set attempts = $1, state = 'waiting', next_attempt_at = now()", [attempt]);
    const { state } = await row(
      `select fail_analysis((select id from analysis), $1, $2, 'why', '2026-01-01T00:00:00Z') as state`,
      [attempt, failure],
    );
    const { wait } = await row(
      "select (next_attempt_at - timestamptz '2026-01-01T00:00:00Z')::text as wait from analysis",
    );
    return [state, wait];
  };
  await take([announcement({ url })]);
  assert.deepEqual(await fail("server_error", 1), ["waiting", "00:00:05"]);
  assert.deepEqual(await fail("too_slow", 4), ["waiting", "00:00:40"]);
  assert.deepEqual(await fail("unreachable", 11), ["waiting", "01:00:00"]);
  assert.deepEqual(await fail("engine_failed", 12), ["dead", null]);
  assert.deepEqual(await fail("not_found", 1), ["dead", null]);
  assert.deepEqual(await rows("select failure, error from dead_analysis"), [
    { failure: "not_found", error: "why" },
  ]);
  const { id } = await row("select id from analysis");
  assert.deepEqual(await rows("select refusal from redrive_analyses(array[$1::bigint])", [id]), [
    { refusal: null },
  ]);
  assert.deepEqual(
    await rows("select refusal from redrive_analyses(array[$1::bigint, 0]) order by analysis_id", [id]),
    [{ refusal: "there is no analysis of that number" }, { refusal: "it is not dead" }],
  );
  await assert.rejects(rows("select from redrive_analyses(null)"), { code: "NTY04" });
  const [job] = await claim();
  assert.equal(job?.attempt, 1, "as if it were new");
});

test("an archive that was given back was not tried, and one that ended three processes is given up", async () => {
  await load({ fine });
  await take([announcement({ url, at: new Date("2026-01-01T00:00:00Z") })], "2026-01-01T00:00:00Z");
  const day = (n: number) => `2026-02-0${n}T00:00:00Z`;
  const [job] = await claim({ at: day(1) });
  assert.ok(job);
  assert.equal(
    (await row("select fail_analysis($1, $2, null, null, $3) as state", [job.id, job.attempt, day(1)])).state,
    "waiting",
  );
  for (const n of [2, 3, 4]) assert.equal((await claim({ at: day(n) }))[0]?.attempt, n - 1);
  assert.deepEqual(await claim({ at: day(5) }), []);
  assert.deepEqual(await rows("select failure, attempts from dead_analysis"), [
    { failure: "interrupted", attempts: 3 },
  ]);
});

test("rules that were loaded meanwhile make the archive be read again", async () => {
  await load({ fine });
  await take([announcement({ url, cluster })]);
  const [job] = await claim();
  assert.ok(job);
  await load({ fine, other: fine });
  assert.equal((await analyze(job)).state, "rules_changed");
});

test("results are published by whoever has them, and what the broker does not take stays", async () => {
  await load({ fine });
  const { message } = await analyzed();
  assert.deepEqual(await rows("select * from claim_results(10, '1 minute')"), [], "the analyzer has it");
  await rows("update analysis set next_attempt_at = now()");
  const [left] = await rows("select * from claim_results(10, '1 minute')");
  assert.deepEqual([left?.cluster, left?.message], [cluster, message]);
  const settle = (result: object) =>
    row("select * from settle_results($1, 'results')", [JSON.stringify([{ id: left?.id, ...result }])]);
  assert.deepEqual(await settle({ failure: "result_refused", error: "away", permanent: false }), {
    ...{ published: 0, retried: 1, dead: 0 },
  });
  assert.equal((await row("select message from analysis")).message, message);
  assert.deepEqual(await settle({ partition: 3, offset: "4711" }), { published: 1, retried: 0, dead: 0 });
  assert.deepEqual(await settle({ partition: 3, offset: "4712" }), { published: 0, retried: 0, dead: 0 });
  assert.deepEqual(
    await rows("select state, message, result_topic, result_partition, result_offset from analysis"),
    [
      {
        state: "published",
        message: null,
        result_topic: "results",
        result_partition: 3,
        result_offset: "4711",
      },
    ],
  );
  await analyzed({}, { requestId: "large" });
  await rows("update analysis set next_attempt_at = now() where state = 'analyzed'");
  const [large] = await rows("select * from claim_results(10, '1 minute')");
  await rows("select from settle_results($1, 'results')", [
    JSON.stringify([{ id: large?.id, failure: "result_too_large", error: "x", permanent: true }]),
  ]);
  assert.deepEqual(await rows("select failure, redrivable from dead_analysis"), [
    { failure: "result_too_large", redrivable: true },
  ]);
});

// --- kept archives

test("upload_status and the trace say where an upload is while it is analyzed", async () => {
  const state = async () =>
    (await row(
      "select state, failure from upload_status where request_id = (select request_id from analysis)",
    )) ?? {};
  await load({ fine });
  await take([announcement({ url, cluster })]);
  assert.deepEqual(await state(), {}, "nobody has begun");
  const [job] = await claim();
  assert.ok(job);
  assert.equal((await state()).state, "processing");
  await analyze(job);
  await rows("select * from settle_results($1, 'results')", [
    JSON.stringify([{ id: job.id, partition: 0, offset: "1" }]),
  ]);
  assert.equal((await state()).state, "done");
  const said = "select service, status from upload_message where request_id = $1 order by message_id";
  assert.deepEqual(await rows(said, [job.request_id]), [
    { service: "ccx-data-pipeline", status: "processing" },
    { service: "ccx-data-pipeline", status: "success" },
  ]);
  // one that is taken by our own ingress, and refused at once
  await rows(
    `insert into archive (request_id, org_id, principal, cluster, service, category, content_type, size,
      sha256, store, object_key, b64_identity, received_at)
    values ('of-ours', 1, 'me', $1, 'openshift', 'periodic', 'application/gzip', 7, sha256(''), 'database', 'of-ours',
      '', now())`,
    [cluster],
  );
  await take(
    [{ ...JSON.parse(announcement({ url, cluster })), request_id: "of-ours", url: 5 }].map((one) =>
      JSON.stringify(one),
    ),
  );
  assert.deepEqual(
    await rows("select step from trace('of-ours') order by place"),
    ["received", "kept", "taken", "dead"].map((step) => ({ step })),
  );
  const failed = await row("select state, failure from upload_status where request_id = 'of-ours'");
  assert.equal(failed.state, "failed");
  assert.match(String(failed.failure), /^bad_url: /);
});

test("rules are tried on kept archives, and nothing is stored or published by that", async () => {
  await load({ fine, network: "select 'NET_TYPE', document from files where path = 'config/network.json'" });
  await take([
    announcement({ url, cluster, requestId: "kept" }),
    announcement({ url, requestId: "not kept" }),
  ]);
  const jobs = await claim({ keep: 1 });
  assert.deepEqual(
    jobs.map(({ request_id, keep }) => [request_id, keep]),
    [
      ["kept", true],
      ["not kept", false],
    ],
  );
  const files = { "config/id": cluster, "config/network.json": '{"a":1}', "b.log": "text" };
  for (const job of jobs) await analyze(job, { files, keep: job.keep === true });
  await take([announcement({ url })]);
  assert.deepEqual(
    (await claim({ keep: 1 })).map(({ keep }) => keep),
    [false],
    "the hour has its one",
  );
  const [{ id } = {}, ...others] = await rows("select id, cluster from kept_archive");
  assert.deepEqual(others, []);
  assert.deepEqual(await rows("select error_key, details, reason from try_rule('network', $1)", [id]), [
    { error_key: "NET_TYPE", details: { a: 1 }, reason: null },
  ]);
  assert.deepEqual(await rows("select error_key, details from try_rule('fine', $1)", [id]), [
    { error_key: "FINE_RULE", details: { files: 3 } },
  ]);
  assert.deepEqual(await rows("select archive_id, error_key from backtest_rule('fine')"), [
    { archive_id: id, error_key: "FINE_RULE" },
  ]);
  assert.deepEqual(await rows("select from backtest_rule('fine', now() + interval '1 hour')"), []);
  await assert.rejects(rows("select from try_rule('none', $1)", [id]), { code: "NTY06" });
  await assert.rejects(rows("select from try_rule('fine', 0)"), { code: "NTY05" });
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    assert.equal((await client.query("select open_archive($1)", [id])).rows[0].open_archive, 3);
    const found = await client.query("select path, document, body from files order by path");
    assert.deepEqual(found.rows, [
      { path: "b.log", document: null, body: "text" },
      { path: "config/id", document: null, body: cluster },
      { path: "config/network.json", document: { a: 1 }, body: null },
    ]);
    await client.query("commit");
  } finally {
    client.release();
  }
  await rows("select from retain(now() + interval '8 days')");
  for (let n = 0; n < 5; n++) await rows("select * from retain(now() + interval '8 days')");
  assert.deepEqual(
    await row(
      "select (select count(*)::integer from kept_archive) as archives, (select count(*)::integer from archive_document) as documents",
    ),
    {
      ...{ archives: 0, documents: 0 },
    },
  );
});

// --- rule files

test("a rule's file says what it is, and whatever is missing in it is named", async () => {
  const text = `-- Finds something.
-- Over two lines.
-- reads: config/a.json, events/**
-- tags: one, two
-- links: {"docs": ["https://x"]}
select 'A_B', '{}'::jsonb`;
  assert.deepEqual(ruleOf("some_rule", text), {
    ...{
      name: "some_rule",
      component: "ccx_rules_sql.some_rule.report",
      description: "Finds something. Over two lines.",
    },
    ...{
      reads: ["config/a.json", "events/**"],
      tags: ["one", "two"],
      links: { docs: ["https://x"] },
      source: text,
    },
  });
  for (const [name, change, problem] of [
    ["Bad", (it: string) => it, /small letters/],
    ["a", () => "select 1", /begin with a comment/],
    ["a", (it: string) => it.replace("-- reads: config/a.json, events/**\n", ""), /-- reads:/],
    ["a", (it: string) => it.replace('{"docs"', "[{"), /-- links:/],
    ["a", (it: string) => it.replace("-- tags", "-- component: not one\n-- tags"), /no component/],
    ["a", (it: string) => it.replace("-- tags", "-- reads: x\n-- tags"), /twice/],
  ] as const)
    assert.match(String(ruleOf(name, change(text))), problem);
  const own = await readRules(new URL("../../rules", import.meta.url).pathname);
  assert.ok(own.length >= 12);
  for (const { name, description } of own) assert.ok(description.length > 20, name);
});

test("a user who may not create roles is told whom to ask", async () => {
  await using other = await openDatabase();
  await other.pool.query("create role ccx_test_nobody").catch(() => undefined);
  const client = await other.pool.connect();
  try {
    await client.query("begin");
    await client.query("grant usage on schema ccx to ccx_test_nobody");
    await client.query("set local role ccx_test_nobody");
    await assert.rejects(
      client.query("select ccx.prepare_rules()"),
      (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, "NTY01");
        assert.match(
          error.hint ?? "",
          /^as a superuser: create role ccx_rules nologin; grant ccx_rules to ccx_test_nobody$/,
        );
        return true;
      },
    );
  } finally {
    await client.query("rollback");
    await client.query("drop role ccx_test_nobody");
    client.release();
  }
});
