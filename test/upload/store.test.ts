import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseStore } from "../../src/objects/database.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

test("x", async () => {
  const store = new DatabaseStore(database.pool, "http://127.0.0.1:1");
  await store.put("p/1/a", (async function* () { yield Buffer.from("abc"); })(), { requestID: "a", account: "", org: "1" });
  assert.equal(Buffer.concat(await Array.fromAsync(await store.get("p/1/a"))).toString(), "abc");
});
