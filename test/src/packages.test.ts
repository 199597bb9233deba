import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import ours from "../../package.json" with { type: "json" };

const root = path.join(import.meta.dirname, "../..");
const imported = /\b(?:from |import\(\s*|resolve\()"((?:@[^/"]+\/)?[^./":][^/":]*)(?:\/[^"]*)?"/g;

async function packagesOf(pattern: string): Promise<string[]> {
  const found = new Set<string>();
  for await (const file of glob(pattern, { cwd: root }))
    for (const [, name = ""] of (await readFile(path.join(root, file), "utf8")).matchAll(imported))
      found.add(name);
  return [...found].sort();
}

test("what runs in production imports the packages that come with --omit=dev, each of them, and no other", async () => {
  const needed = await packagesOf("{src,tasks}/**/*.{ts,js}");
  assert.deepEqual(needed, Object.keys(ours.dependencies).sort());
});

test("every package has one exact version", () => {
  for (const [name, version] of Object.entries({ ...ours.dependencies, ...ours.devDependencies }))
    assert.match(version, /^(npm:[\w-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/, name);
});
