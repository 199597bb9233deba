import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const root = path.join(import.meta.dirname, "../..");
const longestLine = 110;
/** Markdown has no line break inside a row of a table; a cell may hold an address that cannot be broken. */
const longestRow = 200;

const read = (page: string) => readFile(path.join(root, page), "utf8");
const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
pages.push(...(await Array.fromAsync(glob("docs/**/*.md", { cwd: root }))));

const withoutCode = (text: string) => text.replaceAll(/^```.*?^```$/gms, "").replaceAll(/`[^`\n]*`/g, "");

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#+ (.+)$/gm)].map(
    ([, it = ""]) => it,
  );
  const seen = new Map<string, number>();
  return new Set(
    headings.map((heading) => {
      const plain = heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
        .replaceAll(" ", "-");
      const times = seen.get(plain) ?? 0;
      seen.set(plain, times + 1);
      return times === 0 ? plain : `${plain}-${times}`;
    }),
  );
}

test("every link leads to a file and a heading that exist", async () => {
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, link = ""] of withoutCode(await read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
      if (!existsSync(path.join(root, target))) broken.push(`${page}: ${link}`);
      else if (anchor !== undefined && !anchorsOf(await read(target)).has(anchor))
        broken.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

test("every page that code and SQL refer to exists", async () => {
  const files = await Array.fromAsync(glob("{sql,src,tasks,dev,test,bench}/**/*.{sql,ts}", { cwd: root }));
  const missing: string[] = [];
  for (const file of files.filter((it) => !it.includes("node_modules")))
    for (const [page] of (await read(file)).matchAll(/\bdocs\/[\w/-]+\.md\b/g))
      if (!existsSync(path.join(root, page))) missing.push(`${file}: ${page}`);
  assert.deepEqual(missing, []);
});

test(`no line is longer than ${longestLine} characters`, async () => {
  const long: string[] = [];
  for (const page of pages.filter((it) => it !== "CHANGELOG.md")) {
    const lines = (await read(page)).split("\n");
    for (const [at, line] of lines.entries())
      if ([...line].length > (line.startsWith("|") ? longestRow : longestLine))
        long.push(`${page}:${at + 1}`);
  }
  assert.deepEqual(long, []);
});

test("docs/reference/objects.md mentions every object in the schema public, and nothing that is only in ccx", async () => {
  const objects = async (schema: string) => {
    const found = await rows(
      database.pool,
      `select c.relname as name from pg_class c
       where c.relnamespace = '${schema}'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f')
         and not c.relispartition
       union
       select p.proname from pg_proc p where p.pronamespace = '${schema}'::regnamespace
       union
       select t.typname from pg_type t where t.typnamespace = '${schema}'::regnamespace and t.typtype in ('d', 'e', 'r')
       order by name`,
    );
    return found.map(({ name }) => String(name));
  };
  const [open, internal] = [await objects("public"), await objects("ccx")];
  const listed = [...(await read("docs/reference/objects.md")).matchAll(/`(\w+)(?:\(\))?`/g)].map(
    ([, it]) => it,
  );
  assert.deepEqual(
    open.filter((name) => !listed.includes(name)),
    [],
    "docs/reference/objects.md has to mention them",
  );
  assert.deepEqual(
    internal.filter((name) => !open.includes(name) && listed.includes(name)),
    [],
    "docs/reference/objects.md lists internals",
  );
});
