import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const sql = path.join(import.meta.dirname, "../../sql");

/** The rooms of sql/, from the ground up: a room calls only rooms on lower floors. */
const floors = [
  ["stored", "guard", "roles", "cell"],
  ["queue", "ledger"],
  ["content", "issues", "workloads"],
  ["policy", "silence"],
  ["deliver"],
  ["retain", "upload"],
  ["analyze", "decide", "ingest", "ops"],
  ["explain", "results", "compat"],
  ["adopt", "metrics", "survey"],
  ["console", "fleet"],
];
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));

type File = { file: string; room: string; name: string; kind: string; code: string };

/** The files that create an object, without comments and the contents of strings that are no SQL. */
async function files(): Promise<File[]> {
  const names = (await Array.fromAsync(glob("*/*.sql", { cwd: sql }))).sort();
  const read = names.map(async (file) => {
    const text = await readFile(path.join(sql, file), "utf8");
    const kind = /^create (?:or replace )?(function|view|type) /m.exec(text)?.[1] ?? "";
    const code = text
      .replaceAll(/--[^\n]*/g, "")
      .replaceAll(/^comment on [^;]*?'(?:[^']|'')*';/gms, "")
      .replaceAll(/'(?:[^'\n]|'')*'/g, "''");
    // these may be called as anything else in a query is
    const of = /^create or replace view (aggregator|fleet)\./m.exec(text)?.[1];
    const schema = of ? `${of}\\.` : "";
    return { file, room: path.dirname(file), name: schema + path.basename(file, ".sql"), kind, code };
  });
  return (await Promise.all(read)).filter(({ kind }) => kind !== "");
}

/**
 * Whether some code names a function (called), a view or a type (after from, join, setof, as a cast or a
 * variable).
 */
function uses(code: string, { name, kind }: File): boolean {
  const word = {
    function: `\\b${name}\\s*\\(`,
    view: `\\b(?:from|join)\\s+(?:ccx\\.)?${name}\\b`,
    type: `(?:::|\\bsetof\\s+|\\breturns\\s+|\\w\\s+)(?:ccx\\.)?${name}\\b(?!\\s*[.=)])`,
  }[kind];
  return new RegExp(word ?? "$^").test(code);
}

test("every room has a floor and a story", async () => {
  const rooms = new Set((await files()).map(({ room }) => room));
  assert.deepEqual([...rooms].toSorted(), floors.flat().toSorted());
  for (const room of rooms) {
    const index = await readFile(path.join(sql, room, "index.sql"), "utf8");
    const story = /^(?:-- .*\n)+/.exec(index)?.[0] ?? "";
    assert.ok(story.split("\n").length > 4, `sql/${room}/index.sql tells no story`);
  }
});

test("docs/architecture.md shows the rooms on their floors", async () => {
  const page = await readFile(path.join(sql, "../docs/architecture.md"), "utf8");
  const shown = [...page.matchAll(/^\| (\d) \| ([^|]+) \|/gm)].map(([, floor, rooms = ""]) => [
    ...[Number(floor), [...rooms.matchAll(/`(\w+)`/g)].map(([, room]) => room).sort()],
  ]);
  assert.deepEqual(shown, floors.map((rooms, floor) => [floor, rooms.toSorted()]).reverse());
});

test("a room of sql/ calls only rooms on lower floors", async () => {
  const all = await files();
  const upward = all.flatMap((caller) =>
    all
      .filter((callee) => callee.room !== caller.room && floorOf(callee.room) >= floorOf(caller.room))
      .filter((callee) => uses(caller.code, callee))
      .map((callee) => `sql/${caller.file} uses sql/${callee.file}`),
  );
  assert.deepEqual(upward, []);
});

test("the story of a room names only what exists", async () => {
  const all = new Set((await files()).map(({ name }) => name));
  const unknown: string[] = [];
  for await (const file of glob("*/index.sql", { cwd: sql })) {
    const text = await readFile(path.join(sql, file), "utf8");
    const called = [...text.matchAll(/(?<=^--.*)\b([a-z_]+)\(\)/gm)].map(([, name]) => name as string);
    unknown.push(...called.filter((name) => !all.has(name)).map((name) => `sql/${file}: ${name}()`));
  }
  assert.deepEqual(unknown, []);
});

test("a table has one room that writes it, or its comment names all of them", async () => {
  const tables = await rows(
    database.pool,
    `select c.relname as name, obj_description(c.oid) as comment from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
  );
  const all = await files();
  for (const { name, comment } of tables) {
    const writes = new RegExp(`\\b(?:insert into|update|delete from|truncate)\\s+(?:public\\.)?${name}\\b`);
    const writers = [...new Set(all.filter(({ code }) => writes.test(code)).map(({ room }) => room))].sort();
    if (writers.length > 1)
      assert.match(
        String(comment),
        new RegExp(`written by ${writers.join(", ")}`),
        `${name} is written by ${writers}`,
      );
  }
});
