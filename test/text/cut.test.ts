import assert from "node:assert/strict";
import { test } from "node:test";
import { cutText } from "../../src/text/cut.ts";

test("a cut never goes through a visible character", () => {
  const family = "👩‍👩‍👧‍👦";
  assert.equal(cutText(`ab${family}c`, 5), "ab");
  assert.equal(cutText(`ab${family}c`, 9), `ab${family}`);
  assert.equal(cutText("ae\u0301", 2), "a");
  assert.equal(cutText("🇨🇿🇩🇪", 3), "🇨🇿");
  assert.equal(cutText("a\r\nb", 2), "a");
  assert.equal(cutText("same", 4), "same");
  assert.equal(cutText("😀", 1), "😀");
  assert.equal(cutText("x", 0), "");
});

test("a long text is cut in no time", () => {
  const started = performance.now();
  cutText("👩‍👩‍👧‍👦".repeat(1_000_000), 4000);
  assert.ok(performance.now() - started < 500);
});
