import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { below, mulberry32, pick, type Random } from "../../src/dev/random.ts";
import { sampleMessages } from "../../src/dev/samples.ts";
import { leftOut, shortened } from "../../src/ingest/shorten.ts";

test("what is cut out is what SQL does not store", async () => {
  const sql = await readFile(new URL("../../sql/ingest/store_reports.sql", import.meta.url), "utf8");
  const [, list = ""] = /'Report'\)\s*- '\{([^}]*)\}'::text\[\]/.exec(sql) ?? [];
  assert.deepEqual(list.split(",").sort(), [...leftOut].sort());
});

test("what is not stored is cut out of Report, the rest is as it was written", () => {
  for (const [given, expected] of [
    ['{"Report":{"system":{},"reports":[1.50]}}', '{"Report":{"reports":[1.50]}}'],
    [
      '{"Report":{"reports":[],"skips":[{"a":"]}"}],"big":12345678901234567890}}',
      '{"Report":{"reports":[],"big":12345678901234567890}}',
    ],
    [
      '{"a":1,"Report" : {"info":1 ,"pass" : "}\\"" , "x" : 1e5 } ,"b":2}\n',
      '{"a":1,"Report" : {"x" : 1e5} ,"b":2}\n',
    ],
    ['{"Report":{"skips":[]}}', '{"Report":{}}'],
    ['{"Report":{}}', '{"Report":{}}'],
    // only of Report, and only its own members
    ['{"skips":[1],"Other":{"skips":[1]}}', '{"skips":[1],"Other":{"skips":[1]}}'],
    ['{"Report":{"reports":[{"skips":[1]}]}}', '{"Report":{"reports":[{"skips":[1]}]}}'],
    ['{"Other":{"Report":{"skips":[1]}}}', '{"Other":{"Report":{"skips":[1]}}}'],
    // the last one counts
    ['{"Report":1,"Report":{"pass":1,"a":2,"pass":3}}', '{"Report":1,"Report":{"a":2}}'],
    // SQL takes those out
    ['{"Report":{"s\\u006bips":[1]}}', '{"Report":{"s\\u006bips":[1]}}'],
    ["{}", "{}"],
  ] as const)
    assert.equal(shortened(given), expected);
});

function without(message: Record<string, unknown>): unknown {
  const { Report } = message;
  if (typeof Report !== "object" || Report === null || Array.isArray(Report)) return message;
  const kept = Object.entries(Report).filter(([name]) => !leftOut.has(name));
  return { ...message, Report: Object.fromEntries(kept) };
}

test("samples mean the same, but for what is left out", () => {
  let cut = 0;
  for (const { value, expect } of sampleMessages({ reports: 200, seed: 1, now: new Date() })) {
    if (expect === "rejected" || value[0] !== 0x7b) continue;
    const json = value.toString();
    assert.deepEqual(JSON.parse(shortened(json)), without(JSON.parse(json)));
    cut += json.length - shortened(json).length;
  }
  assert.ok(cut > 0);
});

/** A JSON text as no producer would write it: blanks anywhere, brackets and quotes in strings, names that matter anywhere. */
function text(random: Random, depth: number): string {
  const blank = () => pick(random, ["", "", " ", "\n", "\t ", "\r\n"]);
  const words = ["", "}", "]", '"', "{[", ",", ":", "a b", "Report", ...leftOut, "é😀"];
  // no names with a backslash: JSON.parse of Node.js 24 takes a later `\\"` in the same place for the name `\\` that it knows
  const name = () => JSON.stringify(pick(random, words));
  const word = () => JSON.stringify(pick(random, [...words, "\\", '\\"', '"\\\\']));
  const kind = depth <= 0 ? below(random, 3) : 3 + below(random, 2);
  if (kind === 0) return word();
  if (kind === 1) return pick(random, ["true", "false", "null"]);
  if (kind === 2) return pick(random, ["0", "-1.50", "1e3", "12345678901234567890"]);
  const items = Array.from({ length: below(random, 5) }, () => {
    const item = `${blank()}${text(random, below(random, depth + 1) - 1)}${blank()}`;
    return kind === 3 ? `${blank()}${name()}${blank()}:${item}` : item;
  });
  const inside = items.length > 0 ? items.join(",") : blank();
  return kind === 3 ? `{${inside}}` : `[${inside}]`;
}

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
test(`whatever a message looks like, it means the same, but for what is left out (SEED=${seed})`, () => {
  const random = mulberry32(seed);
  let cut = 0;
  for (let n = 0; n < 5_000; n++) {
    const report = text(random, 1 + below(random, 4));
    const others = Array.from(
      { length: below(random, 3) },
      () => `"m${below(random, 3)}": ${text(random, 2)}`,
    );
    const members = [...others, `"Report" :${report}`].sort(() => random() - 0.5);
    const json = ` {${members.join(" ,")} } `;
    const given = JSON.parse(json);
    assert.deepEqual(JSON.parse(shortened(json)), without(given), json);
    if (JSON.stringify(without(given)) !== JSON.stringify(given)) cut++;
  }
  assert.ok(cut > 500, `${cut} had something to cut`);
});
