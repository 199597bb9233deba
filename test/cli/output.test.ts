import assert from "node:assert/strict";
import { test } from "node:test";
import stringWidth from "string-width";
import { table } from "../../src/cli/output.ts";

test("a column is as wide on a terminal as its widest value, whatever the script", () => {
  const names = ["disk", "ディスク", "磁盘已满", "disque plein", "cafe\u0301", "👩‍👩‍👧‍👦 family", "\u200b"];
  const lines = table(names.map((name) => ({ rule_name: name, risk: "|" }))).split("\n");
  assert.equal(lines[0], "rule name     risk");
  for (const line of lines.slice(1)) assert.equal(stringWidth(line.slice(0, line.indexOf("|"))), 14, line);
  assert.equal(lines[2], "ディスク      |");
});

test("what would move the cursor has a width of its own, since it is spelled out", () => {
  const lines = table([
    { a: "\u001b[31mred", b: 1 },
    { a: "", b: null },
  ]).split("\n");
  assert.deepEqual(lines, ["a              b", "\\u{1b}[31mred  1", ""]);
});

test("bytes are shown as people read them, and times as they are", () => {
  const bytes = [0, 1023, 1024, 16_384, 1_572_864, null];
  const lines = table(bytes.map((size) => ({ day: "2026-03-01", bytes: size }))).split("\n");
  assert.deepEqual(
    lines.slice(1).map((line) => line.slice(12)),
    ["0 B", "1023 B", "1 kB", "16 kB", "1.5 MB", ""],
  );
});
