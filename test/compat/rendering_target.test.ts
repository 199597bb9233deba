import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { RenderingTarget } from "../../src/compat/service/rendering_target.ts";
import type { RenderedNotification } from "../../src/deliver/claimed.ts";
import type { Outcome } from "../../src/deliver/outbox.ts";
import { ServiceLogTarget } from "../../src/deliver/service_log/target.ts";
import { createLogger } from "../../src/log.ts";
import { aRow } from "../deliver/rows.ts";
import { scene } from "../deliver/service_log/scene.ts";
import { loadContent, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const clusterOf = (nth: number) => `00000000-0000-4000-8000-${String(nth).padStart(12, "0")}`;

/** What a rendering service is asked. */
type Asked = {
  content: { plugin: { python_module: string }; error_keys: Record<string, unknown> }[];
  report_data: {
    clusters: string[];
    reports: Record<string, { reports: { component: string; key: string }[] }>;
  };
};

/** A rendering service that answers so, before the real Service Log target and a receiver of its entries. */
async function rendering(answer: (asked: Asked, response: ServerResponse) => void) {
  const asked: Asked[] = [];
  const renderer = createServer(async (request, response) => {
    asked.push(JSON.parse(await text(request)));
    answer(asked.at(-1) as Asked, response);
  }).listen(0, "127.0.0.1");
  await once(renderer, "listening");
  const { client, tokens, receiver } = await scene();
  const entry = { ruleUrl: "https://example.com/{module}", createdBy: "me", username: "insights-advisor" };
  const inner = new ServiceLogTarget({ client, tokens, entry, concurrency: 4, timeoutMs: 2_000 });
  const url = `http://127.0.0.1:${(renderer.address() as AddressInfo).port}/v1/rendered_reports`;
  const target = new RenderingTarget(inner, { url, pool: database.pool, log: createLogger("silent") });
  return {
    asked,
    receiver,
    inner,
    target,
    async [Symbol.asyncDispose]() {
      await target.close(); // with its client
      await receiver.stop();
      renderer.closeAllConnections();
      await renderer[Symbol.asyncDispose]();
    },
  };
}

const textsOf = ({ report_data: { clusters, reports } }: Asked) => ({
  clusters,
  reports: Object.fromEntries(
    Object.entries(reports).map(([cluster, one]) => [
      cluster,
      one.reports.map(({ component, key }) => ({
        rule_id: component.replace(/\.report$/, ""),
        error_key: key,
        resolution: "",
        description: `About ${component}`,
        reason: "Why",
      })),
    ]),
  ),
});

/** A message about the rule disk, of each of so many clusters. */
async function messages(count: number, ...names: string[]): Promise<RenderedNotification[]> {
  await loadContent(database.pool, ["disk", "net"]);
  const issues = await Promise.all(
    (names.length > 0 ? names : ["disk"]).map(async (name) => ({
      component: `x.${name}.report`,
      error_key: "KEY",
      severity: "Major",
      details: { host: name },
      content_id: String(
        await value(database.pool, "select id from rule_content where rule_name like $1", [`%${name}`]),
      ),
    })),
  );
  return Array.from({ length: count }, (_, nth) =>
    aRow(
      {
        id: String(nth),
        cluster: clusterOf(nth),
        message_id: `6f1d1f7e-3b0a-4c55-8a63-${String(nth).padStart(12, "0")}`,
      },
      ...issues,
    ),
  );
}

const all = async (sending: AsyncIterable<Outcome[]>) => (await Array.fromAsync(sending)).flat();

test("what is rendered in time is sent before more is rendered, and the rest is given back untried", async () => {
  await using service = await rendering((asked, response) => response.end(JSON.stringify(textsOf(asked))));
  const rows = await messages(10);
  let mayStart = true;
  const outcomes: Outcome[] = [];
  for await (const some of service.target.send(rows, () => mayStart)) {
    outcomes.push(...some);
    if (outcomes.filter(({ sent }) => sent).length === 4) mayStart = false; // its time is up
  }
  assert.equal(service.asked.length, 4, "no more is rendered than is sent");
  assert.equal(service.receiver.entries.length, 4);
  assert.equal(outcomes.length, 10);
  const rest = outcomes.filter(({ sent }) => !sent);
  assert.deepEqual(
    rest.map((outcome) => !outcome.sent && [outcome.failure, outcome.tried]),
    Array(6).fill([null, false]),
  );
  assert.ok(service.target.leaseMs > service.inner.leaseMs);
  assert.deepEqual((await all(service.target.send(rows, () => false))).length, 10);
  assert.equal(service.asked.length, 4, "nobody is asked when nothing may start");
});

test("all clusters get through, each with one question about the rules that it needs", async () => {
  await using service = await rendering((asked, response) => response.end(JSON.stringify(textsOf(asked))));
  const outcomes = await all(service.target.send(await messages(9), () => true));
  assert.ok(outcomes.length === 9 && outcomes.every(({ sent }) => sent));
  assert.equal(service.asked.length, 9);
  for (const { content } of service.asked)
    assert.deepEqual(
      content.map(({ plugin, error_keys }) => [plugin.python_module, Object.keys(error_keys)]),
      [["ccx_rules_ocp.external.rules.disk", ["KEY"]]],
    );
  assert.equal(service.receiver.entries[0]?.body.summary, "About x.disk.report");
  assert.deepEqual(service.receiver.unexpected, []);
});

test("whatever a rendering service answers but texts is a failure of that cluster, and not stored", async () => {
  const answers: [string, (asked: Asked, response: ServerResponse) => void, string, RegExp][] = [
    ["500", (_, to) => void to.writeHead(500).end("x"), "template", /answers 500/],
    ["a redirect", (_, to) => void to.writeHead(302, { location: "/" }).end(), "template", /answers 302/],
    ["no JSON", (_, to) => void to.end("<html>"), "template", /something else than texts/],
    ["other JSON", (_, to) => void to.end('{"reports":[]}'), "template", /something else than texts/],
    ["nothing", (_, to) => void to.end('{"reports":{}}'), "template", /has no texts for this issue/],
    ["no connection", (_, to) => void to.destroy(), "network", /does not answer\.$/],
    [
      "half",
      (_, to) => void to.writeHead(200, { "content-length": 99 }).write("{", () => to.destroy()),
      "template",
      /answers 200/,
    ],
    [
      "too much",
      (_, to) => void to.on("error", () => undefined).end(Buffer.alloc(11 * 1024 * 1024, " ")),
      ...(["template", /answers 200/] as const),
    ],
  ];
  await using service = await rendering((asked, response) => {
    const nth = Number(asked.report_data.clusters[0]?.slice(-12));
    const [, answer] = answers[nth] ?? [];
    if (answer) answer(asked, response);
    else response.end(JSON.stringify(textsOf(asked)));
  });
  const outcomes = await all(service.target.send(await messages(answers.length + 1), () => true));
  for (const [nth, [what, , failure, error]] of answers.entries()) {
    const outcome = outcomes.find(({ id }) => id === String(nth));
    assert.ok(outcome && !outcome.sent && outcome.failure !== null, what);
    assert.deepEqual([outcome.failure, outcome.permanent, outcome.not_stored], [failure, false, true], what);
    assert.match(String(outcome.error), error, what);
  }
  assert.equal(outcomes.find(({ id }) => id === String(answers.length))?.sent, true, "the others go out");
});

test("messages about one cluster are one question; the one whose texts are missing fails alone", async () => {
  await using service = await rendering((asked, response) => {
    const { reports } = textsOf(asked);
    const [texts = []] = Object.values(reports);
    const known = texts.filter(({ rule_id }) => !rule_id.endsWith("net"));
    response.end(JSON.stringify({ reports: { [asked.report_data.clusters[0] ?? ""]: known } }));
  });
  const [disk, net, both] = [
    await messages(1),
    (await messages(1, "net")).map((row) => ({ ...row, id: "7" })),
    (await messages(1, "disk", "net")).map((row) => ({ ...row, id: "8" })),
  ];
  const outcomes = await all(service.target.send([...disk, ...net, ...both], () => true));
  assert.equal(service.asked.length, 1);
  const ended = outcomes
    .map((outcome) => [outcome.id, outcome.sent || outcome.failure])
    .toSorted(([a], [b]) => Number(a) - Number(b));
  assert.deepEqual(ended, [
    ["0", true],
    ["7", "template"],
    ["8", "template"],
  ]);
  assert.equal(service.receiver.entries.length, 1);
});
