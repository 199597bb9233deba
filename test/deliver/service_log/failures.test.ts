import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import { errors } from "undici";
import type { Behaviour } from "../../../dev/stack/service_log_receiver.ts";
import { ServiceLogClient } from "../../../src/deliver/service_log/client.ts";
import { retryAfterMs, unanswered } from "../../../src/deliver/service_log/http.ts";
import { messageId } from "../rows.ts";
import { entry, failure, scene } from "./scene.ts";

/** Whether the entry may have been stored decides what a repetition may say, and for how long it is tried. */
type Stored = "maybe stored" | "not stored";

const classes: [behaviour: Behaviour, reason: string, stored: Stored, permanent: boolean, waitMs?: number][] =
  [
    [{ status: 200 }, "server", "maybe stored", false],
    [{ status: 204 }, "server", "maybe stored", false],
    [
      { status: 301, headers: { location: "/api/service_logs/v1/cluster_logs" } },
      "server",
      "not stored",
      false,
    ],
    [
      { status: 307, headers: { location: "/api/service_logs/v1/cluster_logs" } },
      "server",
      "not stored",
      false,
    ],
    [{ status: 400 }, "client", "not stored", true],
    [{ status: 403 }, "auth", "not stored", false],
    [{ status: 404 }, "server", "not stored", false],
    [{ status: 408 }, "timeout", "maybe stored", false],
    [{ status: 409 }, "server", "not stored", false],
    [{ status: 413 }, "client", "not stored", true],
    [{ status: 418 }, "server", "not stored", false],
    [{ status: 422 }, "client", "not stored", true],
    [{ status: 429 }, "rate_limited", "not stored", false],
    [{ status: 429, headers: { "retry-after": "120" } }, "rate_limited", "not stored", false, 120_000],
    [
      { status: 429, headers: { "retry-after": "Sat, 22 Aug 2026 10:01:30 GMT" } },
      "rate_limited",
      "not stored",
      false,
      90_000,
    ],
    [{ status: 500 }, "server", "maybe stored", false],
    [{ status: 500, headers: { "retry-after": "3" } }, "server", "maybe stored", false, 3000],
    [{ status: 503 }, "server", "maybe stored", false],
    [{ status: 503, headers: { "retry-after": "3" } }, "server", "not stored", false, 3000],
    ["drop", "network", "maybe stored", false],
    ["store-and-drop", "network", "maybe stored", false],
  ];
for (const [behaviour, reason, stored, permanent, waitMs] of classes) {
  test(`${inspect(behaviour, { breakLength: Number.POSITIVE_INFINITY })} is "${reason}"${permanent ? " for good" : ""}, ${stored}, after one request`, async () => {
    await using at = await scene();
    at.receiver.behave(behaviour);
    const error = await failure(at.client.post(entry));
    assert.deepEqual([error.reason, error.permanent, error.retryAfterMs], [reason, permanent, waitMs]);
    assert.equal(error.notStored, stored === "not stored");
    assert.equal(error.tooLarge, typeof behaviour === "object" && behaviour.status === 413);
    assert.equal(at.receiver.requests.posts, 1);
    assert.deepEqual(at.receiver.unexpected, []);
  });
}

test("where there is no token nothing was posted, whatever the token server's failure", async () => {
  await using at = await scene();
  at.receiver.behaveToken({ status: 500 });
  const error = await failure(at.client.post(entry));
  assert.deepEqual([error.reason, error.notStored, at.receiver.requests.posts], ["server", true, 0]);
});

for (const [status, said, isOwn] of [
  [404, "cluster_uuid does not exist", true],
  [404, "no such cluster (Cluster_UUID='x')", true],
  [409, "there is an entry with this event_stream_id already", true],
  [415, 'field "summary": not text', true],
  [404, "no such path", false],
  [404, "my_cluster_uuid_2 is unknown", false],
  [409, "a summaryless request", false],
  [503, "cluster_uuid could not be looked up", false],
  [404, "", false],
] as const)
  test(`${status} with the reason "${said}" is ${isOwn ? "about the entry" : "about the way to the receiver"}`, async () => {
    await using at = await scene();
    at.receiver.behave({ status, body: { reason: said } });
    const error = await failure(at.client.post({ ...entry, event_stream_id: messageId }));
    assert.deepEqual([error.reason, error.permanent], isOwn ? ["client", true] : ["server", false]);
  });

test("silence ends at the time-out, whether or not the entry was stored", async () => {
  await using at = await scene({ timeoutMs: 100 });
  at.receiver.behave("hang", "store-and-hang");
  assert.equal((await failure(at.client.post(entry))).reason, "timeout");
  assert.equal(await at.client.search(messageId), null);
  assert.equal((await failure(at.client.post(entry))).reason, "timeout");
  assert.equal(await at.client.search(messageId), at.receiver.entries[0]?.id);
});

test("a receiver that answers byte by byte does not hold us longer than the time-out", async () => {
  let timer: NodeJS.Timeout | undefined;
  const dripping = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write("HTTP/1.1 500 Oops\r\ncontent-length: 1000000\r\n\r\n");
      timer = setInterval(() => socket.write("x"), 20);
    });
  });
  await new Promise<void>((resolve) => dripping.listen(0, "127.0.0.1", resolve));
  const { port } = dripping.address() as { port: number };
  const tokens = { get: async () => "t", invalidate: () => undefined };
  const limits = { connectTimeoutMs: 1000, timeoutMs: 150, maxResponseBytes: 64 * 1024 };
  const client = new ServiceLogClient({ ...limits, url: `http://127.0.0.1:${port}/`, tokens });
  const started = performance.now();
  assert.equal((await failure(client.post(entry))).reason, "server");
  assert.ok(performance.now() - started < 1500);
  clearInterval(timer);
  await client.close();
  dripping.close();
});

test("nobody listening is network, a connection that does not come up is a time-out", async () => {
  await using at = await scene();
  await at.tokens.get();
  await at.receiver.stop();
  const refused = await failure(at.client.post(entry));
  assert.deepEqual([refused.reason, refused.notStored], ["network", true]);
  const late = unanswered("Service Log", new errors.ConnectTimeoutError());
  assert.deepEqual([late.reason, late.notStored], ["timeout", true]);
  const dns = Object.assign(new Error("getaddrinfo ENOTFOUND x"), { code: "ENOTFOUND" });
  assert.equal(unanswered("Service Log", dns).message, "The Service Log could not be reached (ENOTFOUND).");
});

test("the receiver's reason is quoted, short and on one line", async () => {
  await using at = await scene();
  const reason = `summary\r\n\u001b[31mtoo long ${"x".repeat(500)}`;
  at.receiver.behave({ status: 400, body: { kind: "Error", reason } }, { status: 400, body: { reason: 5 } });
  const { message } = await failure(at.client.post(entry));
  assert.match(message, /^The Service Log answered HTTP 400: summary \[31mtoo long x+$/);
  assert.equal(message.length, "The Service Log answered HTTP 400: ".length + 200);
  assert.equal((await failure(at.client.post(entry))).message, "The Service Log answered HTTP 400");
});

test("no error tells the token, even when the receiver repeats it", async () => {
  await using at = await scene({ timeoutMs: 300 });
  const token = await at.tokens.get();
  const body = { reason: `bad token ${token}` };
  const next: Behaviour[] = [
    { status: 400, body },
    { status: 500, body },
    { status: 403, body },
    "drop",
    "hang",
  ];
  at.receiver.behave(...next);
  for (const _ of next) {
    const error = await failure(at.client.post(entry));
    assert.ok(!`${error.message}${inspect(error, { depth: 20, showHidden: true })}`.includes(token));
  }
});

test("Retry-After is seconds or a date, anything else is nothing", () => {
  const now = Date.parse("2026-08-22T10:00:00Z");
  assert.equal(retryAfterMs("0", now), 0);
  assert.equal(retryAfterMs("Sat, 22 Aug 2026 09:00:00 GMT", now), 0);
  assert.equal(retryAfterMs("soon", now), undefined);
  assert.equal(retryAfterMs("", now), undefined);
  assert.equal(retryAfterMs("-5", now), undefined);
  assert.equal(retryAfterMs("9".repeat(400), now), 86_400_000);
});
