import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeGob } from "../../../../src/content/source/gob/gob.ts";
import { GobError } from "../../../../src/content/source/gob/reader.ts";
import { gobSamples } from "../../../support/gob_samples.ts";

const folder = join(import.meta.dirname, "../../../../../shared/data/content");
const skip = !existsSync(folder) && `there is no real content here (${folder})`;

const bytes = (hex: string) => Buffer.from(hex.replaceAll(/\s/g, ""), "hex");

function refuses(hex: string | Uint8Array, message: string): void {
  assert.throws(
    () => decodeGob(typeof hex === "string" ? bytes(hex) : hex),
    (error) => {
      assert.ok(error instanceof GobError, String(error));
      assert.equal(error.message, message);
      return true;
    },
  );
}

test("a real answer of a content service decodes to what it says", { skip }, () => {
  const expected = JSON.parse(readFileSync(join(folder, "rules.gob.decoded.json"), "utf8"));
  assert.deepEqual(decodeGob(readFileSync(join(folder, "rules.gob"))), expected);
});

for (const { name, hex, value } of gobSamples)
  test(`${name} is decoded`, () => assert.deepEqual(decodeGob(bytes(hex)), value));

test("a stream that ends anywhere before its end is refused", () => {
  for (const { name, hex } of gobSamples) {
    const whole = bytes(hex);
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => decodeGob(whole.subarray(0, length)), GobError, `${name}, ${length} bytes`);
  }
});

test("an integer may be written with more bytes than it needs", () => {
  assert.equal(decodeGob(bytes("05 06 00 fe 01 00")), 256);
  assert.equal(decodeGob(bytes("04 06 00 ff 05")), 5);
  assert.equal(decodeGob(bytes("0b 06 00 f8 0000000000000005")), 5);
  assert.equal(decodeGob(bytes("0a 06 00 f9 1fffffffffffff")), Number.MAX_SAFE_INTEGER);
  assert.equal(decodeGob(bytes("0a 04 00 f9 1fffffffffffff")), -(2 ** 52));
  assert.equal(decodeGob(bytes("0a 06 00 f9 20000000000001")), 2n ** 53n + 1n);
});

// Streams by hand, after the "Encoding Details" of encoding/gob. A definition is a struct with one field out
// of ArrayT, SliceT, StructT, MapT, GobEncoderT (1 to 5); the first field of each is its name and id, left
// out here.
const uint = (value: number): number[] => {
  if (value < 128) return [value];
  if (value < 256) return [0xff, value];
  return [0xfc, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
};
const int = (value: number) => uint(value < 0 ? -2 * value - 1 : 2 * value);
const string = (value: string) => [...uint(Buffer.byteLength(value)), ...Buffer.from(value)];
const message = (...parts: number[][]) => [...uint(parts.flat().length), ...parts.flat()];
const stream = (...messages: number[][]) => Uint8Array.from(messages.flat());
const end = [0];
const [boolType, intType, uintType, stringType, interfaceType] = [1, 2, 3, 6, 8];

const arrayOf = (id: number, element: number, length: number) =>
  message(int(-id), [1], [2], int(element), [1], int(length), end, end);
const sliceOf = (id: number, element: number) => message(int(-id), [2], [2], int(element), end, end);
const mapOf = (id: number, key: number, element: number) =>
  message(int(-id), [4], [2], int(key), [1], int(element), end, end);
const structOf = (id: number, ...fields: [name: string, type: number][]) => {
  const members = fields.map(([name, type]) => [1, ...string(name), 1, ...int(type), 0]);
  return message(int(-id), [3], [2], uint(fields.length), members.flat(), end, end);
};
const single = (id: number, ...value: number[][]) => message(int(id), [0], ...value);

test("types are known by their ids, in whatever order they are defined", () => {
  const given = stream(
    sliceOf(66, 67),
    mapOf(65, stringType, 66),
    structOf(67, ["on", boolType], ["n", intType]),
    single(65, [1], string("k"), [2], [2, ...int(7), 0], [1, 1, 0]),
  );
  assert.deepEqual(decodeGob(given), { k: [{ n: 7 }, { on: true }] });
});

const refused: [what: string, stream: Uint8Array, message: string][] = [
  ["nothing", stream(), "byte 0: ends before its value"],
  ["types without a value", stream(sliceOf(65, 1)), "byte 8: ends before its value"],
  ["an empty message", stream([0]), "byte 1: ends inside an integer"],
  ["a message that is not all there", stream([5, 6]), "byte 0: a message of 5, but only 1 bytes are left"],
  ["a message length of nine bytes", stream([0xf7]), "byte 0: an integer of 9 bytes, 8 are the most"],
  ["an integer that is not all there", stream([3, 6, 0, 0xfe]), "byte 4: ends inside an integer"],
  [
    "a second value",
    stream(single(uintType, [1]), single(uintType, [1])),
    "byte 4: something follows the value",
  ],
  [
    "bytes behind the value",
    stream(single(uintType, [1], [9])),
    "byte 4: the message goes on behind its end",
  ],
  ["no zero before a value", stream(message(int(uintType), [1], [1])), "byte 2: no zero before the value"],
  ["type 0", stream(message(int(0), [0])), "byte 1: 0 as the id of a type"],
  [
    "a type id of 64 bits",
    stream([10, 0xf8, ...Array(8).fill(0xff), 0]),
    "byte 1: -9223372036854775808 as the id of a type",
  ],
  ["a type that nobody defined", stream(single(99, [1])), "byte 3: type 99 is not defined"],
  [
    "a list of a type that nobody defined",
    stream(sliceOf(65, 99), single(65, [1], [1])),
    "byte 14: type 99 is not defined",
  ],
  ["a type defined twice", stream(sliceOf(65, 1), sliceOf(65, 1)), "byte 11: type 65 is defined already"],
  [
    "a definition of one of gob's own types",
    stream(sliceOf(boolType, 1)),
    "byte 2: type 1 is defined already",
  ],
  [
    "a definition of an id kept for gob",
    stream(sliceOf(30, 1)),
    "byte 2: type 30 is not for others to define",
  ],
  [
    "a definition of nothing",
    stream(message(int(-65), end)),
    "byte 3: the definition of type 65 makes no sense",
  ],
  [
    "a definition of two kinds",
    stream(message(int(-65), [2], [2], int(1), end, [3], end, end)),
    "byte 3: the definition of type 65 makes no sense",
  ],
  [
    "a slice without the type of its elements",
    stream(message(int(-65), [2], end, end)),
    "byte 3: the definition of type 65 makes no sense",
  ],
  [
    "an array of negative length",
    stream(arrayOf(65, boolType, -1)),
    "byte 3: the definition of type 65 makes no sense",
  ],
  [
    "a field without a name",
    stream(message(int(-65), [3], [2], [1], [2, ...int(1), 0], end, end)),
    "byte 3: the definition of type 65 makes no sense",
  ],
  [
    "two fields of one name",
    stream(structOf(65, ["a", 1], ["a", 1])),
    "byte 3: the definition of type 65 makes no sense",
  ],
  [
    "a ninth kind of type",
    stream(message(int(-65), [8], end, end)),
    "byte 3: a field beyond the 7 there are",
  ],
  [
    "a field that its struct does not have",
    stream(structOf(65, ["a", 1]), message(int(65), [2, 1, 0])),
    "byte 17: a field beyond the 1 there are",
  ],
  [
    "a struct without its end",
    stream(structOf(65, ["a", 1]), message(int(65), [1, 1])),
    "byte 19: ends inside an integer",
  ],
  ["2 as a truth value", stream(single(boolType, [2])), "byte 3: 2 as a truth value"],
  [
    "a text that is not UTF-8",
    stream(single(stringType, [2, 0xc3, 0x28])),
    "byte 4: a text that is not valid UTF-8",
  ],
  [
    "a text longer than its message",
    stream(single(stringType, [3, 65])),
    "byte 3: a text of 3, but only 1 bytes are left",
  ],
  [
    "bytes longer than their message",
    stream(single(5, [3, 65])),
    "byte 3: bytes of 3, but only 1 bytes are left",
  ],
  [
    "a list of 2^64 - 1",
    stream(sliceOf(65, 1), single(65, [0xf8, ...Array(8).fill(0xff)], [1])),
    "byte 12: a list of 18446744073709551615, but only 1 bytes are left",
  ],
  [
    "a map with less bytes than keys and values",
    stream(mapOf(65, 3, 3), single(65, [2], [1, 1, 2])),
    "byte 14: a map of 2, but only 3 bytes are left",
  ],
  [
    "an array of another length",
    stream(arrayOf(65, boolType, 2), single(65, [3], [0, 0, 0])),
    "byte 14: an array of 3 instead of 2",
  ],
  [
    "a key that is there twice",
    stream(mapOf(65, stringType, 3), single(65, [2], string("rule"), [1], string("rule"), [2])),
    'byte 21: the key "rule" is there twice',
  ],
];
for (const [what, given, problem] of refused)
  test(`${what}: refused, with the offset`, () => refuses(given, problem));

test("a value may be 64 levels deep, no more", () => {
  const next = structOf(65, ["next", 65]);
  const nested = (levels: number) =>
    stream(next, message(int(65), Array(levels - 1).fill(1), Array(levels).fill(0)));
  assert.match(JSON.stringify(decodeGob(nested(64))), /^(\{"next":){63}\{\}+$/);
  refuses(nested(65), "byte 86: nested more than 64 levels deep");
  const boxes = stream(
    single(
      interfaceType,
      Array(65)
        .fill([...string("T"), ...int(interfaceType), 9, 0])
        .flat(),
    ),
  );
  refuses(boxes, "byte 327: nested more than 64 levels deep");
});

test("a value may consist of a million values, no more, however small they are", { timeout: 20_000 }, () => {
  const list = (count: number) =>
    stream(sliceOf(65, 66), structOf(66), single(65, uint(count), Array(count).fill(0)));
  assert.equal((decodeGob(list(999_980)) as unknown[]).length, 999_980);
  assert.throws(() => decodeGob(list(1_000_000)), /^GobError: byte \d+: more than 1000000 values$/);
});

test("what is over 50 MiB is not looked at", () => {
  const withText = (total: number) => {
    const head = [uint(total - 5), int(stringType), [0], uint(total - 12)].flat();
    return Buffer.concat([Uint8Array.from(head), Buffer.alloc(total - head.length, "x")]);
  };
  const most = 50 * 1024 * 1024;
  assert.equal(decodeGob(withText(most)), "x".repeat(most - 12));
  refuses(withText(most + 1), "byte 0: over 50 MiB");
});
