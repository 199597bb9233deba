import assert from "node:assert/strict";
import { test } from "node:test";
import { quotable } from "../../src/text/clean.ts";

test("a quoted stranger stays on one line and is short", () => {
  assert.equal(quotable("a\r\nb\u001b[31m\u2028c\u202e\0"), "a b [31m c �");
  assert.equal(quotable("z".repeat(1000)).length, 200);
});
