import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { listen } from "../../src/db/listen.ts";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

const database = testDatabase();

const aProxy = (options?: { refusing: boolean }) => {
  const { hostname, port } = new URL(database.url);
  return startTcpProxy({ host: hostname, port: Number(port) }, options);
};

const urlOf = ({ port }: { port: number }) => {
  const url = new URL(database.url);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return url.href;
};

/** Listens through the proxy, and keeps what it hears. */
async function listening(proxy: Pick<TcpProxy, "port">) {
  const heard: string[] = [];
  const trouble: string[] = [];
  const count = { connections: 0 };
  const listener = await listen(urlOf(proxy), "test_channel", {
    onPayload: (payload) => heard.push(payload),
    onConnected: () => {
      count.connections++;
    },
    onTrouble: (message) => trouble.push(message),
  });
  return { heard, trouble, count, listener };
}

const notify = (payload: string) => database.pool.query("select pg_notify('test_channel', $1)", [payload]);

const sessions = () =>
  value(
    database.pool,
    "select count(*)::integer from pg_stat_activity where datname = current_database() and application_name = 'ccx listen'",
  );
const noSession = () => until("its session has ended", async () => (await sessions()) === 0);

/** Fails unless it settles within a second. */
async function atOnce(work: Promise<void>): Promise<void> {
  const start = performance.now();
  await work;
  assert.ok(performance.now() - start < 1_000, `${performance.now() - start} ms`);
}

/** What keeps this process alive and was opened after this was called. */
function openedSince(): () => string[] {
  const before = process.getActiveResourcesInfo();
  const count = (all: string[], kind: string) => all.filter((one) => one === kind).length;
  return () => {
    const now = process.getActiveResourcesInfo();
    return [...new Set(now)].filter(
      (kind) => count(now, kind) > count(before, kind) && /TCP|Timeout/.test(kind),
    );
  };
}

test("what is notified arrives in order, from the first moment on, and nothing after the end", async () => {
  await using proxy = await aProxy();
  const { heard, count, listener } = await listening(proxy);
  assert.equal(count.connections, 1);
  for (const payload of ["one", "two", "{}"]) await notify(payload);
  await until("all have arrived", () => heard.length === 3);
  assert.deepEqual(heard, ["one", "two", "{}"]);
  await listener.close();
  await noSession();
  await notify("four");
  assert.equal(heard.length, 3);
});

test("it says that it is connected only when it hears", async () => {
  await using proxy = await aProxy();
  const heard: string[] = [];
  const listener = await listen(urlOf(proxy), "test_channel", {
    onPayload: (payload) => heard.push(payload),
    onConnected: () => void notify("hello"),
  });
  await until("the answer has arrived", () => heard.length === 1);
  await listener.close();
});

test("a connection that is cut is made anew, and what comes then arrives", async () => {
  await using proxy = await aProxy();
  const { heard, trouble, count, listener } = await listening(proxy);
  proxy.cut();
  await until("it is connected again", () => count.connections === 2);
  await notify("after the cut");
  await until("it has arrived", () => heard.length === 1);
  assert.ok(trouble.length > 0);
  await listener.close();
  await noSession();
});

test("a database that was away for several tries is heard again when it is back", async () => {
  await using proxy = await aProxy();
  const { heard, trouble, count, listener } = await listening(proxy);
  await proxy.refuse();
  await until("it has tried in vain", () => trouble.filter((line) => /ECONNREFUSED/.test(line)).length >= 2);
  await notify("lost");
  await proxy.heal();
  await until("it is connected again", () => count.connections === 2);
  await notify("heard");
  await until("it has arrived", () => heard.length === 1);
  assert.deepEqual(heard, ["heard"], "once, and over one connection");
  assert.equal(await sessions(), 1);
  await listener.close();
  await noSession();
});

test("a session that the server ends is made anew", async () => {
  await using proxy = await aProxy();
  const { count, listener } = await listening(proxy);
  await database.pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'ccx listen'",
  );
  await until("it is connected again", () => count.connections === 2);
  await listener.close();
  await noSession();
});

test("closing while the database is away ends at once and leaves nothing running", async () => {
  await using proxy = await aProxy();
  const opened = openedSince();
  const { trouble, count, listener } = await listening(proxy);
  await proxy.refuse();
  await until("it has noticed", () => trouble.length > 0);
  await atOnce(listener.close());
  await until("nothing is left", () => opened().length === 0, 5_000);
  await proxy.heal();
  assert.equal(count.connections, 1);
});

test("closing while a connection is being made that nobody answers ends at once and leaves nothing running", async () => {
  const proxy = await aProxy();
  const { trouble, listener } = await listening(proxy);
  await proxy.refuse();
  await until("it has noticed", () => trouble.length > 0);
  await using silent = createServer((socket) => socket.on("error", () => {})).listen(proxy.port, "127.0.0.1");
  const [socket] = await once(silent, "connection");
  await atOnce(listener.close());
  if (!socket.closed) await once(socket.resume(), "close");
});

test("closing a connection that has gone silent ends at once", async () => {
  await using proxy = await aProxy();
  const { listener } = await listening(proxy);
  proxy.freeze();
  await atOnce(listener.close());
});

test("a first connection that fails is an error, and it is not tried again", async () => {
  await using proxy = await aProxy({ refusing: true });
  const opened = openedSince();
  await assert.rejects(listening(proxy), { code: "ECONNREFUSED" });
  assert.deepEqual(opened(), [], "nothing is left running");
  await proxy.heal();
  await using closing = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(closing, "listening");
  await assert.rejects(listening(closing.address() as AddressInfo), /terminated|ECONNRESET/);
  await noSession();
});
