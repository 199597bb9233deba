import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { assertGivesUp } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { shellOn } from "../support/shell.ts";

const database = testDatabase();
const ccx = shellOn(database);
const cluster = "00000000-0000-4000-8000-000000000001";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ccx-test-"));
  await writeFile(
    path.join(folder, "network_type.sql"),
    "-- Says which network type it is.\n-- reads: config/network.json\nselect 'NETWORK_TYPE', document from files",
  );
});
after(() => rm(folder, { recursive: true }));

test("rules are loaded from a folder, listed, and tried on kept archives", async () => {
  assert.deepEqual(await ccx.json("analyze", "rules"), { code: 3, printed: [] });
  assert.deepEqual((await ccx.json("analyze", "load", folder)).printed, [
    { rule: "network_type", action: "added" },
  ]);
  const { code, printed } = await ccx.json("analyze", "rules");
  assert.deepEqual(
    [code, printed.map(({ name, component }) => [name, component])],
    [0, [["network_type", "ccx_rules_sql.network_type.report"]]],
  );
  assert.equal((await ccx.json("analyze", "archives")).code, 3);
  assert.equal((await ccx.json("analyze", "failing")).code, 3);
  await database.pool.query(
    `with k as (
       insert into kept_archive (request_id, org_id, cluster, announced_at, kept_at) values ('r', 1, $1, now(), now())
       returning id)
     insert into archive_document (archive_id, path, document) select id, 'config/network.json', '{"a": 1}' from k`,
    [cluster],
  );
  const [kept] = (await ccx.json("analyze", "archives")).printed;
  assert.equal(kept?.cluster, cluster);
  const tried = await ccx.json("analyze", "try", "network_type", String(kept?.id));
  assert.deepEqual(tried, {
    code: 0,
    printed: [{ error_key: "NETWORK_TYPE", reason: null, detail: null, details: { a: 1 } }],
  });
  const backtested = await ccx.json("analyze", "backtest", "network_type");
  assert.deepEqual(
    backtested.printed.map(({ archive_id, error_key }) => [archive_id, error_key]),
    [[kept?.id, "NETWORK_TYPE"]],
  );
  assert.equal((await ccx.json("analyze", "backtest", "network_type", "--since", "2999-01-01")).code, 3);
});

test("what is no rule, or names nothing, is said in a line", async () => {
  await writeFile(path.join(folder, "Bad name.sql"), "select 1");
  assertGivesUp(await ccx("analyze", "load", folder), /^ccx: Bad name.sql: its name has to be/);
  await rm(path.join(folder, "Bad name.sql"));
  await writeFile(path.join(folder, "bad.sql"), "-- Bad.\n-- reads: x\nselect 1");
  assertGivesUp(await ccx("analyze", "load", folder), /^ccx: rules\/bad.sql cannot be loaded: /);
  await rm(path.join(folder, "bad.sql"));
  for (const [args, message] of [
    [["load", path.join(folder, "none")], /^ccx: The folder .* cannot be read/],
    [["load", tmpdir()], /^ccx: /],
    [["try", "none", "1"], /^ccx: there is no rule none/],
    [["try", "network_type", "999"], /^ccx: no archive with the number 999 is kept/],
    [["try", "network_type", "x"], /^ccx: "x" is no number/],
    [["redrive"], /^ccx: Name the analyses, or a --failure, or say --all/],
    [["redrive", "1", "--all"], /^ccx: Name the analyses, or a --failure, or say --all/],
  ] as const)
    assertGivesUp(await ccx("analyze", ...args), message);
  assert.deepEqual(
    (await ccx.json("analyze", "rules")).printed.map(({ name }) => name),
    ["network_type"],
  );
});

test("dead analyses are listed and redriven, and an upload is traced", async () => {
  assert.equal((await ccx.json("analyze", "dead")).code, 3);
  assert.equal((await ccx.json("analyze", "redrive", "--all")).code, 3);
  assert.equal((await ccx.json("trace", "nobody")).code, 3);
  await database.pool.query(
    `insert into analysis (topic, partition, kafka_offset, request_id, org_id, cluster, url, announced_at, received_at,
       state, attempts, ended_at, failure, error)
     values ('uploads', 0, 5, 'the request', 1, $1, 'https://x', now(), now(), 'dead', 1, now(), 'not_found', 'x answers 404'),
       ('uploads', 0, 6, 'another', null, null, null, null, now(), 'dead', 0, now(), 'not_json', 'no JSON')`,
    [cluster],
  );
  const dead = (await ccx.json("analyze", "dead")).printed;
  assert.deepEqual(
    dead.map(({ request_id, failure, place, redrivable }) => [request_id, failure, place, redrivable]).sort(),
    [
      ["another", "not_json", "uploads/0/6", false],
      ["the request", "not_found", "uploads/0/5", true],
    ],
  );
  for (const what of ["the request", cluster.toUpperCase()])
    assert.deepEqual(
      (await ccx.json("trace", what)).printed.map(({ step, detail }) => [step, detail]),
      [
        ["announced", "on uploads/0/5"],
        ["taken", null],
        ["dead", "not_found: x answers 404"],
      ],
    );
  const redriven = await ccx.json("analyze", "redrive", "--failure", "not_found", "--yes");
  assert.deepEqual([redriven.code, redriven.printed.map(({ refusal }) => refusal)], [0, [null]]);
  assert.deepEqual((await ccx.json("trace", "the request")).printed.at(-1)?.step, "taken");
});
