import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanText, quotable, withLineFeeds } from "../../src/text/clean.ts";

test("a quoted stranger stays on one line and is short", () => {
  assert.equal(quotable("a\r\nb\u001b[31m\u2028c\u202e\0"), "a b [31m c �");
  assert.equal(quotable("z".repeat(1000)).length, 200);
});

test("nothing in a text changes its order or hides, and scripts and emoji keep their joiners", () => {
  for (const hidden of "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u061c")
    assert.equal(cleanText(`a${hidden}b`), "ab", hidden.codePointAt(0)?.toString(16));
  for (const text of [
    "\u{1F468}\u200d\u{1F469}",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "é ž – 漢字",
  ])
    assert.equal(cleanText(text), text);
});

test("line ends of every system become line feeds", () => {
  assert.equal(withLineFeeds("a\r\nb\rc\n\r\nd"), "a\nb\nc\n\nd");
});
