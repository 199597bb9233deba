import assert from "node:assert/strict";
import { test } from "node:test";
import stringWidth from "string-width";
import { fitting, table } from "../../src/cli/output.ts";

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

test("a table that is too wide takes out what all rows share, then what is wanted less, and cuts last", () => {
  const row = (n: number, more: Record<string, unknown> = {}) => ({
    ...{ target: "backend", cluster: `cluster ${n}`, component: "a.b.some_rule.report", nothing: null },
    ...{ less: `less ${n}`, more: `more ${n}` },
    ...more,
  });
  const width = (text: string) => Math.max(...text.split("\n").map((line) => line.length));
  const fits = (rows: Record<string, unknown>[], most: number) => {
    const text = fitting(rows, { width: most, lessWanted: ["less", "more"] });
    assert.ok(width(text) <= most || most < 30, text);
    return text;
  };
  assert.equal(
    fits([row(1), row(2)], 120),
    [
      "target   cluster    rule       less    more",
      "backend  cluster 1  some_rule  less 1  more 1",
      "backend  cluster 2  some_rule  less 2  more 2",
    ].join("\n"),
  );
  assert.equal(
    fits([row(1), row(2)], 40),
    ["target: backend; rule: some_rule", "", "cluster    less    more", "cluster 1  less 1  more 1"]
      .concat("cluster 2  less 2  more 2")
      .join("\n"),
  );
  assert.equal(
    fits([row(1), row(2, { target: "log", component: "x" })], 40),
    [
      ...["target   cluster    rule       more", "backend  cluster 1  some_rule  more 1"],
      ...["log      cluster 2  x          more 2", "(without less; --wide shows all)"],
    ].join("\n"),
  );
  const long = fits([row(1, { more: "m".repeat(200) }), row(2, { target: "log", component: "x" })], 60);
  assert.match(long, /^\(without less, more; --wide shows all\)$/m);
  assert.match(fits([{ text: "ž".repeat(200) }], 60), /^ž+…\n\(cut; --wide shows all\)$/m);
});
