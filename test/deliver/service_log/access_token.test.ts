import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { type Behaviour, startServiceLogReceiver } from "../../../dev/stack/service_log_receiver.ts";
import { AccessTokenSource } from "../../../src/deliver/service_log/access_token.ts";
import { ConfigurationError, DeliveryError } from "../../../src/errors.ts";

const clientSecret = "s3cr3t-value";
const limits = { connectTimeoutMs: 1000, timeoutMs: 2000, maxResponseBytes: 64 * 1024 };

async function scene(options: { lifetime?: number; timeoutMs?: number; secret?: string } = {}) {
  const clock = { now: Date.parse("2026-08-22T10:00:00Z") };
  const now = () => clock.now;
  const receiver = await startServiceLogReceiver({
    clientId: "ccx",
    clientSecret,
    tokenLifetimeSeconds: options.lifetime ?? 900,
    now,
  });
  const tokens = new AccessTokenSource({
    ...limits,
    timeoutMs: options.timeoutMs ?? limits.timeoutMs,
    tokenUrl: receiver.tokenUrl,
    clientId: "ccx",
    clientSecret: options.secret ?? clientSecret,
    now,
  });
  return {
    clock,
    receiver,
    tokens,
    async [Symbol.asyncDispose]() {
      await receiver.stop();
      await tokens.close();
    },
  };
}

function jwt(claims: object): string {
  return ["{}", JSON.stringify(claims), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");
}

test("callers at the same time share one request and one token", async () => {
  await using at = await scene();
  const tokens = await Promise.all(Array.from({ length: 20 }, () => at.tokens.get()));
  assert.equal(new Set(tokens).size, 1);
  assert.equal(at.receiver.requests.tokens, 1);
  assert.deepEqual(at.receiver.unexpected, []);
});

test("a token is kept until 30 seconds before its end", async () => {
  await using at = await scene({ lifetime: 900 });
  const first = await at.tokens.get();
  at.clock.now += 869_999;
  assert.equal(await at.tokens.get(), first);
  at.clock.now += 1;
  assert.notEqual(await at.tokens.get(), first);
  assert.equal(at.receiver.requests.tokens, 2);
});

test("a token of short life is still kept for half of it", async () => {
  await using at = await scene({ lifetime: 20 });
  const first = await at.tokens.get();
  at.clock.now += 9_999;
  assert.equal(await at.tokens.get(), first);
  at.clock.now += 1;
  assert.notEqual(await at.tokens.get(), first);
});

test("without expires_in the token's own exp counts, else five minutes", async () => {
  await using at = await scene();
  const exp = at.clock.now / 1000 + 600;
  at.receiver.behaveToken(
    { status: 200, body: { access_token: jwt({ exp }) } },
    { status: 200, body: { access_token: "opaque" } },
  );
  const first = await at.tokens.get();
  at.clock.now += 569_999;
  assert.equal(await at.tokens.get(), first);
  at.clock.now += 1;
  assert.equal(await at.tokens.get(), "opaque");
  at.clock.now += 269_999;
  assert.equal(await at.tokens.get(), "opaque");
  at.clock.now += 1;
  assert.notEqual(await at.tokens.get(), "opaque");
});

test("a lifetime in digits counts; what is no number of seconds is as if it was missing", async () => {
  for (const [expires_in, seconds] of [
    ["600", 600],
    ["soon", 300],
    [-1, 300],
    [null, 300],
  ] as const) {
    await using at = await scene();
    at.receiver.behaveToken(
      { status: 200, body: { access_token: "first", expires_in } },
      { status: 200, body: { access_token: "second" } },
    );
    assert.equal(await at.tokens.get(), "first");
    at.clock.now += seconds * 1_000 - 30_001;
    assert.equal(await at.tokens.get(), "first", String(expires_in));
    at.clock.now += 1;
    assert.equal(await at.tokens.get(), "second", String(expires_in));
  }
});

test("many refusals of one token cost one new token", async () => {
  await using at = await scene();
  const old = await at.tokens.get();
  const renewed = await Promise.all(
    Array.from({ length: 10 }, () => {
      at.tokens.invalidate(old);
      return at.tokens.get();
    }),
  );
  at.tokens.invalidate(old);
  assert.equal(await at.tokens.get(), renewed[0]);
  assert.equal(at.receiver.requests.tokens, 2);
});

test("a failure is not kept: the next caller asks again", async () => {
  await using at = await scene();
  at.receiver.behaveToken({ status: 503 });
  const both = await Promise.allSettled([at.tokens.get(), at.tokens.get()]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(at.receiver.requests.tokens, 1);
  await at.tokens.get();
});

const failures: [name: string, behaviour: Behaviour, reason: string, waitMs?: number][] = [
  ["401", { status: 401, body: { error: "invalid_client" } }, "auth"],
  ["400", { status: 400, body: { error: "invalid_client" } }, "auth"],
  ["403", { status: 403 }, "auth"],
  ["a redirect", { status: 302, headers: { location: "https://example.com/" } }, "auth"],
  ["500", { status: 500 }, "server"],
  ["429", { status: 429, headers: { "retry-after": "7" } }, "rate_limited", 7000],
  ["no token in the answer", { status: 200, body: {} }, "server"],
  ["a token that is no header", { status: 200, body: { access_token: "a\r\nb" } }, "server"],
  ["an answer without end", "oversized", "server"],
  ["half an answer", "half-body", "server"],
  ["a dropped connection", "drop", "network"],
  ["silence", "hang", "timeout"],
];
for (const [name, behaviour, reason, waitMs] of failures) {
  test(`the token server's ${name} is "${reason}", to be tried again`, async () => {
    await using at = await scene({ timeoutMs: behaviour === "hang" ? 100 : 2000 });
    at.receiver.behaveToken(behaviour);
    const error = await at.tokens.get().catch((error) => error);
    assert.ok(error instanceof DeliveryError, inspect(error));
    assert.deepEqual([error.reason, error.permanent, error.retryAfterMs], [reason, false, waitMs]);
    assert.equal(at.receiver.requests.tokens, 1);
  });
}

test("no error tells the secret, even when the server repeats it", async () => {
  await using at = await scene({ secret: "hunter" });
  at.receiver.behaveToken(
    { status: 200, body: { access_token: 5, note: "hunter" } },
    { status: 400, body: { error: "hunter" } },
    { status: 400, body: { error: "invalid_client", error_description: "secret hunter is wrong" } },
  );
  const basic = Buffer.from("ccx:hunter").toString("base64");
  for (let nth = 0; nth < 4; nth++) {
    const error = await at.tokens.get().catch((error) => error);
    assert.ok(error instanceof DeliveryError);
    const notified = `${error.message} ${inspect(error, { depth: 20, showHidden: true })}`;
    assert.ok(!notified.includes("hunter") && !notified.includes(basic), notified);
  }
});

test("nobody listening is network", async () => {
  await using at = await scene();
  await at.receiver.stop();
  await assert.rejects(at.tokens.get(), { reason: "network", permanent: false });
});

test("a URL that is none is the operator's to put right", () => {
  for (const tokenUrl of ["", "sso.example.com", "ftp://example.com"]) {
    const options = { ...limits, tokenUrl, clientId: "a", clientSecret: "b" };
    assert.throws(() => new AccessTokenSource(options), ConfigurationError);
  }
});
