import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { below, pick, type Random, seeded } from "../../dev/samples/random.ts";
import type { Api } from "../../src/results/api.ts";
import examples from "../../src/results/examples.json" with { type: "json" };
import { namesIn, type Operation } from "../../src/results/operation.ts";
import { aggregatorApis, publicApis } from "../../src/results/rooms.ts";
import { Contract, pathWith, rightBodies, rightParams } from "../support/api_calls.ts";
import { rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { catalogOf, injections } from "../support/injections.ts";
import {
  type Ask,
  consume,
  loadRecordedContent,
  madeLately,
  recordedMessages,
  testApi,
} from "../support/results_api.ts";

import { aRecommendation, aWorkloadsMessage, consumeWorkloads } from "../support/workloads.ts";

const database = testDatabase();
/** `npm run fuzz` takes 100,000; SEED repeats a run. */
const inputs = Number(process.env.FUZZ_INPUTS ?? 5_000);
/** The database answers four at a time; the others are on their way. */
const inFlight = 8;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

let given: Promise<void> | undefined;
const once = {
  given(pool: typeof database.pool) {
    given ??= (async () => {
      await loadRecordedContent(pool);
      await consume(pool, madeLately(recordedMessages()));
      // of our own, and of somebody else
      for (const [nth, [org, cluster]] of [
        [11, rightParams.cluster],
        [12, "11111111-1111-4111-8111-111111111105"],
      ].entries()) {
        const about = aRecommendation("alpha|ALPHA_ONE", ["default/1", "default/2"], {
          component: "ccx_rules_ocp.external.rules.alpha.recommendation",
        });
        const text = aWorkloadsMessage(String(cluster), "2026-03-01T08:00:00Z", [about], { OrgID: org });
        await consumeWorkloads(pool, [text.replaceAll("uid-of-default", "default")], { from: nth });
      }
    })();
    return given;
  },
};
const open = testApi(database, once);
const behind = testApi(database, { ...once, apis: aggregatorApis });
const served: [Api, Ask, Ask][] = [
  ...publicApis.slice(0, 2).map((api): [Api, Ask, Ask] => [api, open.ask, open.inject]),
  ...aggregatorApis.map((api): [Api, Ask, Ask] => [api, behind.ask, behind.inject]),
];
/** Of the fuzzer's requests one in so many goes over a socket; that costs half as much again. */
const overSocket = 10;

const call = (ask: Ask, api: Api, operation: Operation) => {
  const body = operation.body && rightBodies[operation.id];
  return ask(operation.method, pathWith(api, operation, rightParams), body === undefined ? {} : { body });
};

test("every operation answers as its document says, and is right where it is called right", async (t) => {
  const found: Record<string, Record<string, unknown>> = {};
  for (const [api, ask] of served) {
    const contract = new Contract(api);
    const version = api.prefix.slice(-2);
    for (const operation of api.operations)
      await t.test(`${api.prefix} ${operation.id}`, async () => {
        const answer = await call(ask, api, operation);
        contract.check(operation.id, answer);
        const right = Object.keys(operation.answers).map(Number);
        assert.ok(right.includes(answer.status), `${answer.status} ${answer.text}`);
        if (api === aggregatorApis[0] || answer.status >= 300) return;
        const body = operation.body && rightBodies[operation.id];
        found[version] ??= {};
        found[version][operation.id] = { ...(body !== undefined && { body }), answer: answer.json };
      });
  }
  if (process.env.WRITE_EXAMPLES)
    writeFileSync(new URL("../../src/results/examples.json", import.meta.url), JSON.stringify(found));
  else
    for (const [api] of served.slice(0, 2))
      assert.deepEqual(
        Object.keys(examples[api.prefix.slice(-2) as "v1" | "v2"]).toSorted(),
        Object.keys(found[api.prefix.slice(-2)] ?? {}).toSorted(),
        "WRITE_EXAMPLES=1 writes the examples anew",
      );
});

test("the document is OpenAPI 3.1 with a page for people, for everybody", async () => {
  for (const [api, ask] of served) {
    const { status, json, headers } = await ask("GET", `${api.prefix}/openapi.json`, { org: null });
    assert.deepEqual([status, json.openapi, json.servers], [200, "3.1.0", [{ url: api.prefix }]]);
    assert.match(String(headers.get("content-type")), /^application\/json/);
    const ids = Object.values(json.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
      (methods) => Object.values(methods).map(({ operationId }) => operationId),
    );
    assert.equal(new Set(ids).size, api.operations.length);
    assert.doesNotMatch(JSON.stringify(json), /"\$ref"/);
    const page = await ask("GET", `${api.prefix}/docs`, { org: null });
    assert.match(String(page.headers.get("content-type")), /^text\/html/);
    for (const { path } of api.operations) assert.ok(page.text.includes(`<code>${path}</code>`), path);
  }
});

test("examples conform to the document that shows them", () => {
  for (const api of publicApis.slice(0, 2)) {
    const contract = new Contract(api);
    for (const [id, { answer }] of Object.entries(examples[api.prefix.slice(-2) as "v1" | "v2"]) as [
      string,
      { answer?: unknown },
    ][]) {
      if (answer === undefined) continue;
      const status = id === "ack_rule" ? 201 : 200;
      contract.check(id, { status, headers: new Headers(), text: JSON.stringify(answer), json: answer });
    }
  }
});

/** What changes with the parameter: a path and a body in which one value is another. */
function* changed(api: Api, operation: Operation, value: string, of: RegExp) {
  const right = rightBodies[operation.id];
  const bodyWith = (body: unknown) => (operation.body && body !== undefined ? { body } : {});
  for (const name of namesIn(operation.path))
    if (of.test(name))
      yield { path: pathWith(api, operation, { ...rightParams, [name]: value }), ...bodyWith(right) };
  if (!operation.body || right === undefined) return;
  const path = pathWith(api, operation, rightParams);
  if (Array.isArray(right)) {
    if (of.test("clusters")) yield { path, body: [value] };
  } else
    for (const [key, one] of Object.entries(right as object))
      if (of.test(key))
        yield { path, body: { ...(right as object), [key]: Array.isArray(one) ? [value] : value } };
}

const own = async (ask: Ask, api: Api, operation: Operation) => {
  const { status, text } = await call(ask, api, operation);
  return { status, text };
};

test("every operation answers about another organization's cluster as about one that nobody knows", async () => {
  let compared = 0;
  for (const [api, , ask] of served)
    for (const operation of api.operations) {
      const [theirs, unknown] = [
        "11111111-1111-4111-8111-111111111105",
        "11111111-1111-4111-8111-111111111199",
      ];
      const answersAbout = async (id: string) => {
        const answers: string[] = [];
        for (const { path, ...body } of changed(api, operation, id, /^clusters?$/)) {
          const { status, text } = await ask(operation.method, path, body);
          answers.push(`${status} ${text.replaceAll(id, "ID")}`);
        }
        return answers;
      };
      const about = await answersAbout(theirs);
      assert.deepEqual(about, await answersAbout(unknown), `${api.prefix} ${operation.id}`);
      compared += about.length;
      // the organization in a path is that of whoever asks, or refused, or not looked at
      for (const { path, ...body } of changed(api, operation, "12", /^organization$/)) {
        const { status, text } = await ask(operation.method, path, body);
        if (status === 403) continue;
        assert.deepEqual({ status, text }, await own(ask, api, operation), `${api.prefix} ${operation.id}`);
      }
    }
  const about = served.flatMap(([api]) => api.operations).filter(({ path }) => /\{clusters?\}/.test(path));
  assert.ok(compared >= about.length && about.length > 0, `${compared} of ${about.length}`);
});

test("no parameter of any operation becomes SQL", async () => {
  const before = await catalogOf(database.pool);
  for (const [api, , ask] of served) {
    const contract = new Contract(api);
    for (const operation of api.operations)
      for (const text of injections.slice(0, 4)) {
        const sent = [...changed(api, operation, text, /./)];
        for (const name of Object.keys(operation.query.shape)) {
          const path = `${pathWith(api, operation, rightParams)}?${name}=${encodeURIComponent(text)}`;
          const right = operation.body && rightBodies[operation.id];
          sent.push(right === undefined ? { path } : { path, body: right });
        }
        for (const { path, ...body } of sent) {
          const answer = await ask(operation.method, path, body);
          contract.check(operation.id, answer, `${operation.method} ${path} ${JSON.stringify(body)} `);
          if (answer.status >= 500) assert.match(operation.id, /upgrade_risks$/, path);
        }
      }
  }
  assert.deepEqual(await catalogOf(database.pool), before);
});

const nasty = [
  ...[
    "",
    " ",
    "'",
    '"',
    "' or '1'='1",
    "'; drop table issue; --",
    "$1",
    "%",
    "..",
    "../..",
    "/",
    "\\",
    "|",
    "||",
  ],
  ...[
    "\0",
    "a\0b",
    "\ud800",
    "é",
    "日本",
    "\u202e",
    "x".repeat(300),
    "x".repeat(3_000),
    "-1",
    "0",
    "1e9",
    "NaN",
  ],
  ...[
    "null",
    "undefined",
    "true",
    "[]",
    "{}",
    "__proto__",
    "constructor",
    "11111111-1111-4111-8111-11111111110",
  ],
  ...[
    "11111111-1111-4111-8111-111111111105",
    "{11111111-1111-4111-8111-111111111101}",
    "a|b",
    "a|b|c",
    "12",
    "4294967295",
  ],
  ...[
    "urn:uuid:11111111-1111-4111-8111-111111111101",
    "11111111111141118111111111111101",
    "gamma|GAMMA",
    "a.internal.b|C",
  ],
];

/** Something that is sent in place of what is right. */
function hostile(random: Random): string {
  const one = pick(random, nasty);
  return random() < 0.2 ? one + pick(random, nasty) : one;
}

/** A body, wrong somewhere. */
function hostileBody(random: Random, right: unknown): string {
  const wrong = () =>
    pick<unknown>(random, [null, 1, -1, 1e300, true, [], {}, [[]], hostile(random), { a: 1 }, 0.5]);
  const text = JSON.stringify(right ?? { message: "x" });
  return pick(random, [
    () => text.slice(0, below(random, text.length)),
    () => JSON.stringify(wrong()),
    () => JSON.stringify([wrong(), wrong()]),
    () =>
      JSON.stringify({
        ...(right as object),
        [pick(random, ["clusters", "rule", "rating", "justification", "message", "rule_id"])]: wrong(),
      }),
    () => hostile(random),
    () => `[${text},${text}]`,
    () => `${"[".repeat(5_000)}`,
  ])();
}

test(`${inputs} requests, most of them hostile, are answered as the documents say`, {
  timeout: 1_800_000,
}, async (t) => {
  t.diagnostic(`SEED=${seed} FUZZ_INPUTS=${inputs}`);
  const random = seeded(seed);
  const contracts = new Map(served.map(([api]) => [api, new Contract(api)]));
  const foreign = /11111111-1111-4111-8111-11111111110[5679]/;
  const one = async () => {
    const [api, ask, inject] = pick(random, served);
    const operation = pick(random, [...api.operations]);
    const params = Object.fromEntries(
      Object.entries(rightParams).map(([name, right]) => [name, random() < 0.7 ? right : hostile(random)]),
    );
    const known = Object.keys(operation.query.shape);
    const query =
      random() < 0.3
        ? `?${encodeURIComponent(pick(random, [...known, "x", hostile(random).toWellFormed()]))}=${encodeURIComponent(hostile(random).toWellFormed())}`
        : "";
    const right = rightBodies[operation.id];
    const body = operation.body
      ? random() < 0.5
        ? JSON.stringify(right ?? {})
        : hostileBody(random, right)
      : random() < 0.05
        ? "{}"
        : undefined;
    const wellFormed = Object.fromEntries(
      Object.entries(params).map(([name, text]) => [name, text.toWellFormed()]),
    );
    const path = pathWith(api, operation, wellFormed) + query;
    // a client resolves `..` before it asks, and asks for another path
    if (path.split("?")[0] !== new URL(path, "http://client").pathname) return;
    const send = below(random, overSocket) === 0 ? ask : inject;
    const answer = await send(operation.method, path, {
      org: pick(random, ["11", "11", "11", "14", null, "0", "x"]),
      ...(body !== undefined && { body }),
      headers:
        random() < 0.2 ? { "content-type": pick(random, ["text/plain", "application/json", "x/y; ;"]) } : {},
    });
    const why = `SEED=${seed}: ${operation.method} ${path} ${body?.slice(0, 500)} `;
    const asked = foreign.test(path) || foreign.test(body ?? "");
    if (!asked && answer.status < 300) assert.doesNotMatch(answer.text, foreign, why);
    // a part of a path that is empty is another path
    if (!answer.headers.get("content-type")?.startsWith("application/json"))
      return assert.ok([204, 301, 304, 404, 405].includes(answer.status), why + answer.status + answer.text);
    if (answer.status >= 500) assert.match(operation.id, /upgrade_risks$/, why + answer.text);
    if ([401, 405, 413, 415].includes(answer.status))
      return assert.equal(typeof answer.json.status, "string", why);
    contracts.get(api)?.check(operation.id, answer, why);
  };
  // what a request is made of is drawn when it starts, so a seed gives the same requests in the same order
  let left = inputs;
  const keepAsking = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: inFlight }, keepAsking));
  assert.ok(Number(await value(database.pool, "select count(*) from issue where closed_at is null")) >= 8);
  const orgs = await rows(
    database.pool,
    "select distinct org_id from rule_disable where org_id not in ('11', '14')",
  );
  assert.deepEqual(orgs, []);
});
