import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { DatabaseStore } from "../../src/objects/database.ts";
import { receive, StoreFailed, TooLarge } from "../../src/upload/receive.ts";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const labels = { requestID: "id", account: "", org: "42" };
const limit = 2_000_000;

/** So many pieces of 100,000 bytes, and then this. */
const body = (count: number, error?: Error) =>
  Readable.from(
    (function* () {
      for (let n = 0; n < count; n++) yield Buffer.alloc(100_000, n);
      if (error) throw error;
    })(),
  );

/** A folder that is full. */
class Full extends DatabaseStore {
  override readonly name = "folder" as never;
  override async put(_key: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const _ of content) throw new Error("no space left");
  }
}

test("a body that breaks off is no failure of the store, whatever has come of it", async () => {
  const store = new DatabaseStore(database.pool, "");
  const cut = new Error("cut");
  for (const count of [0, 1, 5])
    await assert.rejects(receive(body(count, cut), { store, key: `cut/${count}`, labels, limit }), cut);
  assert.deepEqual(await rows(database.pool, "select * from archive_chunk"), []);
});

test("a store that is full says so, and what is too large is so whatever the store says", async () => {
  const store = new Full(database.pool, "");
  for (const count of [1, 5])
    await assert.rejects(receive(body(count), { store, key: "full", labels, limit }), StoreFailed);
  const given = { store: new DatabaseStore(database.pool, ""), key: "large", labels, limit };
  for (const count of [21, 30])
    await assert.rejects(
      receive(body(count), given),
      (error) => error instanceof TooLarge && error.size === count * 100_000,
    );
  const { size, content } = await receive(body(20), given);
  assert.deepEqual([size, content], [limit, undefined]);
});
