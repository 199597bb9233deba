import assert from "node:assert/strict";
import { test } from "node:test";
import { below, pick, type Random, seeded } from "../../dev/samples/random.ts";
import { sampleMessages } from "../../dev/samples/samples.ts";
import { leftOut, reportBody } from "../../src/ingest/member_scan.ts";
import { scanJson } from "../../src/ingest/scan_json.ts";

/** The members of a message's report that are stored, as they were written. */
function kept(json: string): string[] {
  const bytes = Buffer.from(json);
  return scanJson(bytes, reportBody).body.map(([start, end]) => bytes.toString("utf8", start, end));
}

test("what is not stored is left out of Report, the rest is as it was written", () => {
  for (const [given, expected] of [
    ['{"Report":{"system":{},"reports":[1.50]}}', ['"reports":[1.50]']],
    [
      '{"Report":{"reports":[],"skips":[{"a":"]}"}],"big":12345678901234567890}}',
      ['"reports":[]', '"big":12345678901234567890'],
    ],
    ['{"a":1,"Report" : {"info":1 ,"pass" : "}\\"" , "x" : 1e5 } ,"b":2}\n', ['"x" : 1e5 ']],
    ['{"Report":{"é😀":"ü","skips":"é","b":[["c",{"pass":1}]]}}', ['"é😀":"ü"', '"b":[["c",{"pass":1}]]']],
    ['{"Report":{"skips":[]}}', []],
    ['{"Report":{}}', []],
    // only of Report, and only its own members
    ['{"skips":[1],"Other":{"a":[1]}}', []],
    [
      '{"Report":{"reports":[{"skips":[1]}]},"Other":{"a":1},"list":["Report",{"b":1}]}',
      ['"reports":[{"skips":[1]}]'],
    ],
    ['{"Other":{"Report":{"skips":[1],"a":1}}}', []],
    ['{"a":"Report","b":{"c":1}}', []],
    // the last one counts
    ['{"Report":{"b":1},"Report":{"pass":1,"a":2,"pass":3}}', ['"a":2']],
    ['{"Report":{"b":1},"Report":[{"a":2}]}', []],
    // a key is the same however it is written
    ['{"R\\u0065port":{"s\\u006bips":[1],"a\\n":1}}', ['"a\\n":1']],
    ["{}", []],
  ] as const)
    assert.deepEqual(kept(given), expected);
});

/** What JSON.parse reads of it, but for what is left out. */
function storedOf(message: Record<string, unknown>): object {
  const report = Object.entries(message.Report as object).filter(([name]) => !leftOut.has(name));
  return Object.fromEntries(report);
}
const read = (json: string): unknown => JSON.parse(`{${kept(json).join(",")}}`);

test("samples mean the same, but for what is left out", () => {
  let count = 0;
  for (const { value, expect } of sampleMessages({ reports: 200, seed: 1, now: new Date() })) {
    if (expect === "rejected" || value[0] !== 0x7b) continue;
    const json = value.toString();
    assert.deepEqual(read(json), storedOf(JSON.parse(json)));
    if (kept(json).length < Object.keys(JSON.parse(json).Report).length) count++;
  }
  assert.ok(count > 0);
});

/**
 * A JSON text as no producer would write it: blanks anywhere, brackets and quotes in strings, names that
 * matter anywhere.
 */
function text(random: Random, depth: number): string {
  const blank = () => pick(random, ["", "", " ", "\n", "\t ", "\r\n"]);
  const words = ["", "}", "]", '"', "{[", ",", ":", "a b", "Report", ...leftOut, "é😀"];
  // no names with a backslash: JSON.parse of Node.js 24 takes a later `\\"` in the same place for the name
  // `\\` that it knows
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
  const random = seeded(seed);
  let cut = 0;
  for (let n = 0; n < 5_000; n++) {
    const others = Array.from(
      { length: below(random, 3) },
      () => `"m${below(random, 3)}": ${text(random, 2)}`,
    );
    const reports = Array.from(
      { length: 1 + below(random, 2) },
      () => `"Report" :${text(random, 1 + below(random, 4))}`,
    );
    const members = [...others, ...reports].sort(() => random() - 0.5);
    const json = ` {${members.join(" ,")} } `;
    const given = JSON.parse(json);
    if (typeof given.Report !== "object" || given.Report === null || Array.isArray(given.Report)) continue;
    const stored = storedOf(given);
    assert.deepEqual(read(json), stored, json);
    if (Object.keys(stored).length < Object.keys(given.Report).length) cut++;
  }
  assert.ok(cut > 200, `${cut} had something to leave out`);
});
