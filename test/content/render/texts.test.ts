import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import type { Pool } from "pg";
import { ContentTexts } from "../../../src/content/render/texts.ts";
import { createPool } from "../../../src/db/pool.ts";
import { createLogger } from "../../../src/log.ts";
import { loadContent, rows, someContent, value } from "../../support/builders.ts";
import { testDatabase } from "../../support/database.ts";
import { startTcpProxy } from "../../support/tcp_proxy.ts";
import { until } from "../../support/until.ts";

const database = testDatabase();
const log = createLogger("silent");
/** Before the look once a minute. */
const soon = 30_000;
/** For a machine that does other things, too. */
const patient = { timeMs: 3_000, watchMs: 6_000 };
const open: ContentTexts[] = [];
after(async () => void (await Promise.all(open.map((texts) => texts.dispose()))));
let ids: string[] = [];

beforeEach(async () => {
  await database.pool.query("truncate rule_content cascade");
  await loadContent(
    database.pool,
    ["a", "b", "c"].map((rule) => someContent(rule, { description: `${rule} {{=pydata.n}}` })),
  );
  ids = (await rows(database.pool, "select id::text from rule_content order by rule_name")).map(({ id }) =>
    String(id),
  );
});

/** Texts on a pool that counts its queries. */
async function someTexts(most?: number) {
  let queries = 0;
  const pool = {
    query: (query: never) => {
      queries++;
      return database.pool.query(query);
    },
  } as unknown as Pool;
  const texts = await ContentTexts.create(pool, log, { ...(most && { most }), limits: patient });
  open.push(texts);
  return {
    texts,
    /** How many queries there were since this was last asked. */
    queries: () => {
      const count = queries;
      queries = 0;
      return count;
    },
    /** The description of a version, of what load() gives; or the error. */
    async say(id = ""): Promise<string> {
      const content = (await texts.load([id])).get(id);
      const answer = await texts.render(content, {
        names: ["description"],
        pydata: { n: 1 },
        format: "html",
      });
      return "error" in answer ? answer.error : answer.texts.description;
    },
  };
}

const edit = (id = "", description = "") =>
  database.pool.query("update rule_content set description = $2 where id = $1", [id, description]);

test("what was read is kept: one query for all that is missing, none for the rest", async () => {
  const { texts, say, queries } = await someTexts();
  const [a = "", b = "", c = ""] = ids;
  assert.deepEqual([...(await texts.load([a, b, a])).keys()].sort(), [a, b].sort());
  assert.equal(queries(), 1);
  assert.equal(await say(a), "a 1");
  assert.equal(await say(b), "b 1");
  assert.equal(queries(), 0);
  assert.deepEqual([...(await texts.load([a, c])).keys()], [a, c]);
  assert.equal(queries(), 1);
  assert.equal((await texts.load([])).size, 0);
  assert.equal(queries(), 0);
});

test("all texts of a content can be rendered", async () => {
  const names = ["description", "generic", "summary", "reason", "resolution", "more_info"] as const;
  await loadContent(
    database.pool,
    [someContent("d", Object.fromEntries(names.map((name) => [name, `the ${name}`])))],
    "2020-02-01T00:00:00Z",
  );
  const id = String(await value(database.pool, "select id from rule_content where rule_name = 'd'"));
  const { texts } = await someTexts();
  const content = (await texts.load([id])).get(id);
  assert.deepEqual(await texts.render(content, { names, pydata: null, format: "markdown" }), {
    texts: Object.fromEntries(names.map((name) => [name, `the ${name}`])),
  });
});

test("a version that does not exist is an error of its rendering, and looked for again", async () => {
  const { texts, say } = await someTexts();
  const [a = ""] = ids;
  assert.deepEqual([...(await texts.load(["987654321", a])).keys()], [a]);
  assert.equal(await say("987654321"), "the content version is gone");
  await database.pool.query("delete from rule_content where id = $1", [a]);
  assert.equal(await say(a), "a 1");
  await texts.check();
  assert.equal(await say(a), "the content version is gone");
});

test("a look drops what is not as it was read, templates and what was compiled of them, and nothing else", async () => {
  const { texts, say, queries } = await someTexts();
  const [a, b] = ids;
  await texts.check();
  assert.equal(queries(), 0, "nothing is kept");
  await say(a);
  await say(b);
  await edit(a, "edited {{=pydata.n}}");
  assert.equal(await say(a), "a 1");
  queries();
  await texts.check();
  assert.equal(queries(), 1);
  assert.equal(await say(b), "b 1");
  assert.equal(queries(), 0, "b is as it was");
  assert.equal(await say(a), "edited 1");
});

test("what is rendered right now goes on with what was loaded, and does not stay", async () => {
  const { texts, say } = await someTexts();
  const [a = ""] = ids;
  const request = { names: ["description"], pydata: { n: 2 }, format: "html" } as const;
  const before = (await texts.load([a])).get(a);
  await edit(a, "edited {{=pydata.n}}");
  await texts.check();
  assert.deepEqual(await texts.render(before, request), { texts: { description: "a 2" } });
  assert.equal(await say(a), "edited 1");
  assert.deepEqual(await texts.render(before, request), { texts: { description: "a 2" } });
  assert.equal(await say(a), "edited 1");
});

test("so many are kept, the least recently used go; what was asked for at once is there all the same", async () => {
  const { texts, queries } = await someTexts(2);
  const [a = "", b = "", c = ""] = ids;
  const isKept = async (id: string) => {
    queries();
    await texts.load([id]);
    return queries() === 0;
  };
  for (const id of [a, b, a, c]) await texts.load([id]);
  assert.equal(await isKept(a), true);
  assert.equal(await isKept(c), true);
  assert.equal(await isKept(b), false);
  assert.equal((await texts.load([a, b, c])).size, 3);
});

test("a database that is away is an error of the load, not of a text", async () => {
  await using proxy = await startTcpProxy({ host: "127.0.0.1", port: 1 }, { refusing: true });
  const databaseUrl = `postgres://ccx@127.0.0.1:${proxy.port}/ccx`;
  const pool = createPool({ databaseUrl, size: 1, name: "ccx test", log });
  const texts = await ContentTexts.create(pool, log);
  open.push(texts);
  await assert.rejects(texts.load(["1"]), { code: "ECONNREFUSED" });
  await pool.end();
});

test("a NOTIFY has what changed read anew, and a change while nobody listened is found on connecting", async () => {
  const { texts, say, queries } = await someTexts();
  const server = new URL(database.url);
  await using proxy = await startTcpProxy({ host: server.hostname, port: Number(server.port) });
  server.hostname = "127.0.0.1";
  server.port = String(proxy.port);
  const [a] = ids;
  await say(a);
  queries();
  const stop = await texts.watch(server.href);
  try {
    assert.equal(queries(), 1, "it looks at once");
    await texts.check();
    await edit(a, "edited");
    await until("the NOTIFY arrives", async () => (await say(a)) === "edited", soon);
    await proxy.refuse();
    await edit(a, "edited again");
    assert.equal(await say(a), "edited");
    await proxy.heal();
    await until("it is connected again", async () => (await say(a)) === "edited again", soon);
  } finally {
    await stop();
  }
});

test("a lost NOTIFY is made good within a minute, until the watch ends", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { texts, say, queries } = await someTexts();
  const [a] = ids;
  const stop = await texts.watch(database.url);
  try {
    await say(a);
    queries();
    await database.pool.query("alter table rule_content disable trigger _900_announce");
    await edit(a, "edited");
    t.mock.timers.tick(59_999);
    assert.equal(queries(), 0);
    t.mock.timers.tick(1);
    await until("the look is over", async () => (await say(a)) === "edited");
  } finally {
    await database.pool.query("alter table rule_content enable trigger _900_announce");
    await stop();
  }
  queries();
  t.mock.timers.tick(600_000);
  assert.equal(queries(), 0);
});

test("every change of content is notified", async () => {
  const client = await database.pool.connect();
  const heard: string[] = [];
  const listen = ({ channel }: { channel: string }) => void heard.push(channel);
  client.on("notification", listen);
  try {
    await client.query("listen ccx_content");
    const at = "2020-03-01T00:00:00Z";
    await loadContent(client, [someContent("a", { description: "other" })], at);
    await client.query("update rule_content set reason = 'edited'");
    assert.deepEqual(heard, ["ccx_content", "ccx_content"]);
    await client.query("delete from rule_content");
    await client.query("select 1");
    assert.equal(heard.length, 3);
  } finally {
    client.off("notification", listen);
    client.release(true);
  }
});
