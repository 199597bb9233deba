import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

const root = path.join(import.meta.dirname, "../..");
const longest = 110;

/** Where a longer line stays: a break would change what it is. */
const kept: [file: RegExp, line: RegExp][] = [
  [/^src\/console\//, /<\/?[a-z]/], // markup, in which a break is text
  [/^src\/content\/render\/places\.ts$/, /^ {2}\/\^</], // the pattern that CommonMark gives
  [/^sql\/stored\/compile_filter\.sql$/, /^ {2}\w+ constant /], // a stored function, which only a migration changes
];

test(`no line of code is longer than ${longest} characters, also where the formatter leaves a text alone`, async () => {
  const long: string[] = [];
  for (const file of await Array.fromAsync(
    glob("{src,tasks,bin,sql,fleet}/**/*.{ts,js,py,sql}", { cwd: root }),
  ))
    for (const [at, line] of (await readFile(path.join(root, file), "utf8")).split("\n").entries())
      if ([...line].length > longest && !kept.some(([name, text]) => name.test(file) && text.test(line)))
        long.push(`${file}:${at + 1} has ${[...line].length} characters`);
  assert.deepEqual(long, []);
});
