import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJson } from "../../src/text/json.ts";

test("a number that a double cannot hold keeps its digits", () => {
  for (const digits of [
    "9007199254740993",
    "12345678901234567890",
    "1000000000000000000000",
    "-98765432109876543210",
    "0.12345678901234567890123",
    "9007199254740991.25",
    "1e400",
  ])
    assert.deepEqual(parseJson(`{"a":[${digits}]}`), { a: [digits] }, digits);
});

test("any other number is one, as templates calculate with it", () => {
  for (const digits of ["0", "1.0", "4.10", "-0.5", "9007199254740991", "0.30000000000000004", "1e3"])
    assert.deepEqual(parseJson(`[${digits}, 12345678901234567890]`), [
      Number(digits),
      "12345678901234567890",
    ]);
  assert.deepEqual(parseJson('{"__proto__": {"a": 1}, "n": null, "t": "9007199254740993"}'), {
    ["__proto__"]: { a: 1 },
    n: null,
    t: "9007199254740993",
  });
});
