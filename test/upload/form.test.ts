import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { BrokenForm, EnoughOfIt, readForm, textOf } from "../../src/upload/form.ts";
import { archivePart, form, formType } from "../support/upload.ts";

/** A request that has sent so much of a form, and goes on with whatever is pushed. */
function requestOf(bytes: Buffer): IncomingMessage {
  const request = new Readable({ read: () => undefined });
  request.push(bytes);
  return Object.assign(request, { headers: { "content-type": formType } }) as unknown as IncomingMessage;
}

test("whoever reads a part hears that the client went away, and so does the form", async () => {
  for (const error of [undefined, new Error("reset")]) {
    const request = requestOf(form([archivePart("content")], { end: "" }));
    const heard: unknown[] = [];
    const reading = readForm(request, async ({ body }) => {
      setImmediate(() => request.destroy(error));
      await text(body).catch((cut) => heard.push(cut));
    });
    await assert.rejects(reading, BrokenForm);
    assert.equal(heard.length, 1);
    assert.ok(heard[0] instanceof BrokenForm, String(heard[0]));
  }
});

test("when enough of a form has come, nobody reads what else comes", async () => {
  const request = requestOf(form([archivePart("content")], { end: "" }));
  const reading = readForm(request, async () => {
    throw new EnoughOfIt("that will do");
  });
  await assert.rejects(reading, EnoughOfIt);
  assert.equal(request.listenerCount("data"), 0);
  request.destroy();
});

test("what takes a part and fails is heard of when the rest of the form has been read", async () => {
  const request = requestOf(form([archivePart("x".repeat(300_000))]));
  request.push(null);
  const reading = readForm(request, async () => {
    throw new Error("the store is full");
  });
  await assert.rejects(reading, /^Error: the store is full$/);
  assert.ok(request.readableEnded);
});

test("a text that is longer than it may be is none, and is read to its end", async () => {
  const body = () => Readable.from([Buffer.from("ab"), Buffer.from("c"), Buffer.from("d")]);
  assert.equal(await textOf(body(), 4), "abcd");
  const longer = body();
  assert.equal(await textOf(longer, 3), undefined);
  assert.ok(longer.readableEnded);
});
