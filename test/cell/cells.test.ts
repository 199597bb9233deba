import assert from "node:assert/strict";
import { test } from "node:test";
import { below, pick, seeded } from "../../dev/samples/random.ts";
import { bucketOf } from "../../src/cell/bucket_of.ts";
import { ownedOf, ownership } from "../../src/cell/cell.ts";
import { adoptCell } from "../../src/cell/sql.ts";
import { aMessage, ingest, rows, value } from "../support/builders.ts";
import { minute, uuid } from "../support/cells.ts";
import { openDatabase, testDatabase } from "../support/database.ts";

const database = testDatabase();
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`SQL and TypeScript put every cluster into the same bucket (SEED=${seed})`, async () => {
  const random = seeded(seed);
  const letters = [..."abzABZ019-_ äÄßıİſḰ🙂\\'\""];
  const names = Array.from({ length: 10_000 }, () =>
    Array.from({ length: below(random, 40) }, () => pick(random, letters)).join(""),
  );
  names.push("", "00000000-0000-0000-0000-000000000000", "ABCDEFAB-0000-0000-0000-000000000000");
  const found = await rows(
    database.pool,
    "select bucket_of(name) as bucket from unnest($1::text[]) with ordinality as n (name, nth) order by nth",
    [names],
  );
  assert.deepEqual(
    found.map(({ bucket }) => bucket),
    names.map(bucketOf),
  );
  assert.equal(new Set(found.map(({ bucket }) => bucket)).size, 256);
  assert.equal(await value(database.pool, "select bucket_of(null)"), null);
});

test("the only database there is owns every cluster, and nothing is filtered", async () => {
  assert.equal(await value(database.pool, "select owns('whatever')"), true);
  assert.equal(await ownership(database.pool), undefined);
});

test("a multirange is read as PostgreSQL writes it", () => {
  assert.deepEqual([...ownedOf("{[0,2),[7,8)}")], [0, 1, 7]);
  assert.equal(ownedOf("{[0,256)}").size, 256);
});

test("a batch of which the caller has left out the end moves the offset to the portion's end", async () => {
  await using cell = await openDatabase();
  await adoptCell(cell.pool, "a", "{[0,1)}", false);
  const take = (end: number) =>
    rows(cell.pool, "select next_offset, elsewhere from ingest('results', 0, '[]', portion_end => $1)", [
      end,
    ]);
  assert.deepEqual(await take(7), [{ next_offset: "7", elsewhere: 0 }]);
  assert.deepEqual(await take(5), [{ next_offset: "7", elsewhere: 0 }]);
});

test("a rejected message that turns out to be another cell's is kept, with that as its detail", async () => {
  await using cell = await openDatabase();
  const random = seeded(seed);
  const all = Array.from({ length: 20 }, () => uuid(random));
  const [foreign = ""] = all.filter((name) => bucketOf(name) >= 8);
  await adoptCell(cell.pool, "a", "{[0,8)}", false);
  const rejected = { kafka_offset: 0, reason: "not_json", detail: "it is not", value: "AAAA" };
  const at = minute(1);
  assert.equal((await ingest(cell.pool, [rejected], { at, partition: 256 })).rejected, 1);
  const id = await value(cell.pool, "select id from rejected_message");
  const again = JSON.stringify([{ ...aMessage(0, foreign, at, ["disk"]), id }]);
  assert.deepEqual(await rows(cell.pool, "select * from retry_rejected($1::jsonb, $2)", [again, at]), [
    { stored: 0, replaced: 0, unchanged: 0, rejected: 1, done_already: 0 },
  ]);
  assert.deepEqual(await rows(cell.pool, "select reason, detail, stored_at from rejected_message"), [
    {
      reason: "not_json",
      detail: `conforms, but belongs to another cell (bucket ${bucketOf(foreign)})`,
      stored_at: null,
    },
  ]);
});

test("what another program writes about another cell's cluster is drift", async () => {
  await using cell = await openDatabase();
  await adoptCell(cell.pool, "a", "{[0,1)}", false);
  await cell.pool.query(
    `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
     values (1, 0, $1, '{"reports": []}', '2026-03-01', 0)`,
    ["11111111-1111-1111-1111-111111111111"],
  );
  const bucket = bucketOf("11111111-1111-1111-1111-111111111111");
  assert.ok(bucket > 0);
  assert.deepEqual(await rows(cell.pool, "select what, detail from drift where what = 'elsewhere'"), [
    { what: "elsewhere", detail: `bucket ${bucket} belongs to another cell` },
  ]);
});
