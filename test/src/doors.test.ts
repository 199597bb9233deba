import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

const root = path.join(import.meta.dirname, "../..");

async function sources(pattern: string): Promise<Map<string, string>> {
  const names = await Array.fromAsync(glob(pattern, { cwd: root }));
  const read = async (name: string) => [name, await readFile(path.join(root, name), "utf8")] as const;
  return new Map(await Promise.all(names.sort().map(read)));
}

/**
 * What speaks to the database. What is handed through as it came (`query(...args)`) has no SQL of its own.
 */
const asks = /\.query(?:<[^>]*>)?\((?!\.\.\.)|\b(?:rowOf|rowsOf|uncheckedRowsOf|call)\(/g;

const isDoor = (file: string) => /^src\/(?:\w+\/)?sql\.ts$/.test(file) || file.startsWith("src/db/");

/** A sentence for every place outside the doors that asks the database. */
const offences = (files: ReadonlyMap<string, string>): string[] =>
  [...files]
    .filter(([file]) => !isDoor(file))
    .flatMap(([file, text]) => [...text.matchAll(asks)].map(([found]) => `${file} has ${found}`));

// In words: select columns from [schema.]name(arguments), where each condition is of one column, order by,
// limit.
const column = String.raw`(?:\*|\w+(?: as \w+)?)`;
const value = String.raw`(?:\$\d+(?:::\w+(?:\[\])?)?)`;
const args = String.raw`(?:(?:\w+ => )?${value}(?:, (?:\w+ => )?${value})*)?`;
const called = String.raw`(?:\w+\.)?\w+\(${args}\)`;
const one = String.raw`\w+ = (?:${value}|lower\(${value}\)|any \(${value}\))`;
const condition = String.raw`(?:${one}|\(${value} is null or ${one}\))`;
const by = String.raw`\w+(?: desc)?(?: nulls (?:first|last))?`;
const question = new RegExp(
  String.raw`^select (?:${called}(?: as \w+)?|${column}(?:, ${column})* from (?:${called}|(?:\w+\.)?\w+)` +
    String.raw`(?: where ${condition}(?: and ${condition})*)?(?: order by ${by}(?:, ${by})*)?(?: limit (?:${value}|\d+))?)$`,
);

/** The SQL texts in a file, on one line each; a text of SQL begins with one of its commands. */
const textsOf = (source: string): string[] =>
  [
    ...source.matchAll(
      /(["`])((?:select|with|insert|update|delete|values|begin|set|call|do|lock)\b[\s\S]*?)\1/g,
    ),
  ].map(([, , text = ""]) => text.replaceAll(/\s+/g, " ").replaceAll("( ", "(").trim());

test("only src/db and the sql.ts of each room ask the database", async () => {
  assert.deepEqual(offences(await sources("{src,tasks}/**/*.ts")), []);
});

test("every client of Kafka has the security settings: one function makes them, and only src/kafka has kafkajs", async () => {
  const files = [...(await sources("{src,tasks,bin}/**/*.{ts,js}"))];
  const makes = (pattern: RegExp) => files.filter(([, text]) => pattern.test(text)).map(([file]) => file);
  assert.deepEqual(makes(/\bnew (?:kafkajs\.)?Kafka\(/), ["src/kafka/client.ts"]);
  const imports = makes(/^import (?!type\b)[^;]*from "kafkajs"|\b(?:import|require)\("kafkajs"\)/m);
  assert.ok(imports.length > 1);
  assert.deepEqual(
    imports.filter((file) => !file.startsWith("src/kafka/")),
    [],
  );
});

test("a sql.ts calls one function or view, and leaves the thinking to it", async () => {
  const doors = await sources("src/{*/,}sql.ts");
  assert.ok(doors.size > 5, [...doors.keys()].join(" "));
  for (const [file, text] of doors) {
    const texts = textsOf(text);
    const calls = [...text.matchAll(/\b(?:rowOf|rowsOf|uncheckedRowsOf|call)\(/g)];
    assert.equal(texts.length, calls.length, `${file}: each call has its SQL text`);
    for (const sql of texts) assert.match(sql, question, file);
    assert.doesNotMatch(text, /\.query\b/, `${file} asks through src/db/rows.ts, which checks the rows`);
  }
});

test("what is more than a question is found, and so is what goes past the doors", () => {
  for (const sql of [
    "select f($1) as done",
    "select id, name as target from ccx.f($1, $2::jsonb, at => $3)",
    "select * from v where ($1::text is null or cluster = lower($1)) and state = any ($2::text[]) order by a desc, b nulls last limit $3",
  ])
    assert.match(sql, question);
  for (const sql of [
    "select count(*) from f($1)",
    "select * from a join b using (id)",
    "select * from a where b > $1",
    "select * from f(coalesce($1, now()))",
    "select a, case b when 1 then 2 end from f()",
    "select * from (select 1) x",
    "delete from a where b = $1",
    "select * from a group by b",
  ])
    assert.doesNotMatch(sql, question);
  const files = new Map([
    ["src/cli/a.ts", "await pool.query<Row>('select 1'); client.query(...args);"],
    ["src/cli/sql.ts", "rowsOf(db, anyRow, sql)"],
    ["tasks/b.ts", "rowsOf(db, anyRow, sql)"],
  ]);
  assert.deepEqual(offences(files), ["src/cli/a.ts has .query<Row>(", "tasks/b.ts has rowsOf("]);
});
