import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { KafkaMessage } from "kafkajs";
import { type Entry, portionsOf } from "../../src/ingest/portions.ts";
import { aCluster, aReport } from "../support/reports.ts";

const mebibyte = 1024 * 1024;
const most = 8 * mebibyte;
const now = () => new Date();

/** Messages with these values, at the offsets from 0 on. */
function messages(values: (Buffer | string | null)[]): KafkaMessage[] {
  return values.map((value, offset) => ({
    key: null,
    value: value === null ? null : Buffer.from(value),
    offset: String(offset),
    timestamp: "0",
    attributes: 0,
    headers: {},
  }));
}

test("headers without a value, several of a name, and names that text cannot have are kept", () => {
  const odd = {
    a: [Buffer.from("1"), null],
    b: null,
    "c\0": "2",
    "c\ufffd": [],
    ...JSON.parse('{"__proto__": "3"}'),
  };
  const message = { ...(messages([null])[0] as KafkaMessage), headers: odd as never };
  const [entries = []] = [...portionsOf([message], 1, now)];
  assert.deepEqual(
    Object.entries(JSON.parse(entries[0]?.json ?? "").headers),
    Object.entries(JSON.parse('{"a":["MQ==",null],"b":[null],"c\ufffd":["Mg=="],"__proto__":["Mw=="]}')),
  );
});

/** A result of about so many bytes. */
const aResult = (bytes = 0, cluster = aCluster()) =>
  aReport(cluster, ["bug"]).replace('"Report":{', `"Report":{"padding":"${"x".repeat(bytes)}",`);

function portions(values: (Buffer | string | null)[], mostMessages = 1_000): Entry[][] {
  return [...portionsOf(messages(values), mostMessages, now)];
}

const offsets = (found: Entry[][]) =>
  found.map((portion) => portion.map(({ message }) => Number(message.offset)));
const lengths = (found: Entry[][]) =>
  found.map((portion) => portion.reduce((sum, { json }) => sum + json.length, 0));

test("a portion has as many messages as one call may take", () => {
  const found = portions(
    Array.from({ length: 10 }, () => aResult()),
    4,
  );
  assert.deepEqual(offsets(found), [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ]);
  assert.deepEqual(portions([]), []);
});

test("what counts is the text after inflating", () => {
  const values = Array.from({ length: 20 }, () => gzipSync(aResult(mebibyte)));
  assert.ok(
    values.reduce((sum, { length }) => sum + length, 0) < mebibyte,
    "all of it is little on the wire",
  );
  const found = portions(values);
  assert.deepEqual(
    offsets(found).map(({ length }) => length),
    [7, 7, 6],
  );
  for (const length of lengths(found)) assert.ok(length <= most, `${length} characters`);
});

test("a message that is longer than a portion may be goes alone", () => {
  const found = portions([aResult(), aResult(9 * mebibyte), aResult(), aResult()]);
  assert.deepEqual(offsets(found), [[0], [1], [2, 3]]);
  assert.deepEqual(offsets(portions([aResult(9 * mebibyte), aResult(9 * mebibyte)])), [[0], [1]]);
});

test("numbers count as they are written out", () => {
  const values = Array.from({ length: 20 }, () =>
    aReport(aCluster(), [], { fine: "@" }).replace('"@"', `[${"1e131071,".repeat(15)}0]`),
  );
  const found = portions(values);
  assert.deepEqual(
    offsets(found).map(({ length }) => length),
    [4, 4, 4, 4, 4],
  );
});

test("a rejected message counts with its bytes in base64", () => {
  // As they are, two of three MiB would fit; as base64 they have four each, and there is more than that.
  const found = portions(Array.from({ length: 3 }, () => "x".repeat(3 * mebibyte)));
  assert.deepEqual(offsets(found), [[0], [1], [2]]);
  const json = JSON.parse(found[0]?.[0]?.json ?? "");
  assert.equal(json.reason, "not_json");
  assert.equal(Buffer.from(json.value, "base64").toString(), "x".repeat(3 * mebibyte));
});

test("nothing is lost, reordered or notified twice, whatever the sizes", () => {
  const sizes = [0, 1, 8, 0, 0, 3, 5, 1, 9, 0, 2, 2, 2, 2, 2, 0];
  const clusters = sizes.map(() => aCluster());
  const values = sizes.map((size, nth) => {
    const value = aResult(size * mebibyte, clusters[nth]);
    return nth % 3 === 0 ? gzipSync(value) : value;
  });
  for (const mostMessages of [3, 1_000]) {
    const found = portions([...values, null, "no report"], mostMessages);
    assert.deepEqual(
      offsets(found).flat(),
      Array.from({ length: sizes.length + 2 }, (_, nth) => nth),
    );
    assert.deepEqual(
      found.flat().flatMap(({ json }) => JSON.parse(json).cluster ?? []),
      clusters,
    );
    for (const [nth, portion] of found.entries()) {
      assert.ok(portion.length > 0 && portion.length <= mostMessages);
      assert.ok(portion.length === 1 || (lengths(found)[nth] ?? 0) <= most);
    }
  }
});

test("messages are parsed when their portion is asked for, not all at once", () => {
  let parsed = 0;
  const values = Array.from({ length: 100 }, () => aResult());
  const all = portionsOf(messages(values), 10, () => {
    parsed++;
    return new Date();
  });
  assert.equal(parsed, 0);
  // the first message behind a portion is parsed as well: only then is it known that it does not fit
  for (const last of [10, 20, 30]) {
    assert.equal(all.next().value?.at(-1)?.message.offset, String(last - 1));
    assert.equal(parsed, last + 1);
  }
});
