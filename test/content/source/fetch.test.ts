import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { readAnswer } from "../../../src/content/source/answer.ts";
import { ContentError } from "../../../src/content/source/error.ts";
import { fetchContent } from "../../../src/content/source/fetch.ts";
import { answerInGob, answerInJson } from "../../support/content_answer.ts";
import { type Behaviour, type ContentService, startContentService } from "../../support/content_service.ts";

const expected = readAnswer(answerInJson);

/** A test with a content service, which fails when the service got what it should not have got. */
function served(name: string, body: (service: ContentService) => Promise<void>): void {
  test(name, { timeout: 30_000 }, async () => {
    await using service = await startContentService();
    await body(service);
    assert.deepEqual(service.unexpected, []);
  });
}

async function refuses(fetching: Promise<unknown>, message: string): Promise<void> {
  await assert.rejects(fetching, (error) => {
    assert.ok(error instanceof ContentError, String(error));
    assert.equal(error.message, message);
    return true;
  });
}

served("content comes in gob, whatever it is called, and in JSON if it is called that", async (service) => {
  service.behave(
    { body: answerInGob },
    { body: answerInGob, type: "text/plain" },
    { body: answerInGob, type: "" },
    { body: answerInJson },
    { body: answerInJson, type: "Application/JSON" },
    { body: answerInJson, type: "application/json ; charset=utf-8" },
  );
  for (let nth = 0; nth < 6; nth++)
    assert.deepEqual(await fetchContent({ url: service.url, timeoutMs: 5_000 }), expected);
  assert.equal(service.requests(), 6);
});

const text = (value: string) => Buffer.from(value);
const badAnswers: [sentence: string, behaviour: Behaviour, problem: string][] = [
  ["500", { body: text("oops hunter2"), status: 500 }, "answers with HTTP 500"],
  ["404", { body: text("none"), status: 404 }, "answers with HTTP 404"],
  ["204", { body: text(""), status: 204 }, "answers with HTTP 204"],
  [
    "a redirect",
    { body: text(""), status: 302, headers: { location: "/api/v1/content?key=hunter2" } },
    "answers with HTTP 302, a redirect, which is not followed",
  ],
  [
    "HTML",
    { body: text("<p>Log in</p>"), type: "text/html; charset=utf-8" },
    "answers with HTML, not with rule content",
  ],
  [
    "HTML by another name",
    { body: text("\n<!DOCTYPE html><html>") },
    "answers with HTML, not with rule content",
  ],
  ["HTML without a word before", { body: text("<HTML>") }, "answers with HTML, not with rule content"],
  ["nothing", { body: text("") }, "the answer is not valid gob: byte 0: ends before its value"],
  [
    "text",
    { body: text("hello") },
    "the answer is not valid gob: byte 0: a message of 104, but only 4 bytes are left",
  ],
  ["broken JSON", { body: text('{"Rules": {'), type: "application/json" }, "the answer is not valid JSON"],
  [
    "JSON that is not UTF-8",
    { body: Buffer.of(0x22, 0xff, 0x22), type: "application/json" },
    "the answer is not valid JSON",
  ],
  ["JSON of another kind", { body: { rules: {} } }, "the answer: config: is missing"],
  ["half a body", "half-body", "breaks off in the middle of its answer"],
  ["no answer but a closed connection", "drop", "cannot be reached (UND_ERR_SOCKET)"],
  ["a compressed body", "gzip", "answers compressed (gzip), which was not asked for"],
  ["more than 50 MiB", "oversized", "answers with more than 50 MiB"],
];
for (const [sentence, behaviour, problem] of badAnswers)
  served(`a service that answers with ${sentence} is one clear line, after one request`, async (service) => {
    service.behave(behaviour);
    await refuses(fetchContent({ url: service.url, timeoutMs: 10_000 }), `${service.name}: ${problem}`);
    assert.equal(service.requests(), 1);
  });

served("an answer that ends early is noticed although HTTP does not tell", async (service) => {
  service.behave("end-early");
  await assert.rejects(
    fetchContent({ url: service.url, timeoutMs: 5_000 }),
    /: the answer is not valid gob: byte \d+: a message of \d+, but only \d+ bytes are left$/,
  );
});

served("a service that never answers, or byte by byte, has no longer than the time-out", async (service) => {
  for (const [behaviour, problem] of [
    ["hang", "does not answer within 200 ms"],
    ["slow", "does not end its answer within 200 ms"],
  ] as const) {
    service.behave(behaviour);
    const start = performance.now();
    await refuses(fetchContent({ url: service.url, timeoutMs: 200 }), `${service.name}: ${problem}`);
    assert.ok(performance.now() - start < 2_000);
  }
});

test("nobody listening, an unknown host, and a connection that is never accepted are distinguished", async () => {
  await refuses(
    fetchContent({ url: "http://127.0.0.1:1/x?key=hunter2", timeoutMs: 5_000 }),
    "content service http://127.0.0.1:1/x: cannot be reached (ECONNREFUSED)",
  );
  await using silent = createServer((socket) => socket.on("error", () => undefined).resume());
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const { port } = silent.address() as { port: number };
  await refuses(
    fetchContent({ url: `https://127.0.0.1:${port}/`, timeoutMs: 200 }),
    `content service https://127.0.0.1:${port}/: does not answer within 200 ms`,
  );
});

served("a stop ends it at once", async (service) => {
  service.behave("hang");
  const stop = new AbortController();
  const fetching = fetchContent({ url: service.url, timeoutMs: 20_000 }, stop.signal);
  const start = performance.now();
  setTimeout(() => stop.abort(), 50);
  await assert.rejects(fetching, ContentError);
  assert.ok(performance.now() - start < 2_000);
});

test("the stand-in service writes down what a correct client would not send", async () => {
  await using service = await startContentService();
  await fetch(`${service.origin}/other`, {
    method: "POST",
    body: "x",
    headers: { authorization: "Bearer x" },
  });
  assert.equal(service.unexpected.length, 6);
});
