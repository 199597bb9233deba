import assert from "node:assert/strict";
import { test } from "node:test";
import { messageId } from "../rows.ts";
import { entry, failure, scene } from "./scene.ts";

test("an entry is stored and the receiver's id comes back", async () => {
  await using at = await scene();
  const { id } = await at.client.post(entry);
  assert.equal(id, at.receiver.entries[0]?.id);
  assert.deepEqual(
    at.receiver.entries.map(({ body }) => body),
    [entry],
  );
  assert.deepEqual(at.receiver.unexpected, []);
});

test("a search finds the entry by our id and nothing else", async () => {
  await using at = await scene();
  assert.equal(await at.client.search(messageId), null);
  const { id } = await at.client.post(entry);
  assert.equal(await at.client.search(messageId), id);
  assert.equal(await at.client.search("00000000-0000-4000-8000-000000000000"), null);
  assert.deepEqual(at.receiver.unexpected, []);
});

test("a receiver that ignores the search does not pass a stranger's entry for ours", async () => {
  await using at = await scene();
  at.receiver.behaveSearch({
    status: 200,
    body: { items: [{ id: "1", event_stream_id: "other" }, { id: "2" }] },
  });
  assert.equal(await at.client.search(messageId), null);
});

test("a search that is not answered by a list is an error, not a no", async () => {
  await using at = await scene();
  at.receiver.behaveSearch({ status: 200, body: "hello" }, "half-body", { status: 403 }, "drop");
  const reasons = [];
  for (let nth = 0; nth < 4; nth++) reasons.push((await failure(at.client.search(messageId))).reason);
  assert.deepEqual(reasons, ["server", "server", "auth", "network"]);
});

test("a refused token is replaced once and the entry posted again", async () => {
  await using at = await scene();
  at.receiver.behave({ status: 401 });
  assert.equal((await at.client.post(entry)).id, at.receiver.entries[0]?.id);
  assert.deepEqual(at.receiver.requests, { posts: 2, searches: 0, tokens: 2 });
  at.receiver.behaveSearch({ status: 401 });
  assert.equal(await at.client.search(messageId), at.receiver.entries[0]?.id);
});

test("a second refusal is auth, with no third try", async () => {
  await using at = await scene();
  at.receiver.behave({ status: 401 }, { status: 401 });
  const error = await failure(at.client.post(entry));
  assert.deepEqual([error.reason, error.permanent], ["auth", false]);
  assert.deepEqual(at.receiver.requests, { posts: 2, searches: 0, tokens: 2 });
});

test("posts refused at the same time share the new token", async () => {
  await using at = await scene();
  await at.tokens.get();
  at.receiverClock.now += 3_600_000;
  await Promise.all(Array.from({ length: 5 }, () => at.client.post(entry)));
  assert.deepEqual(at.receiver.requests, { posts: 10, searches: 0, tokens: 2 });
  assert.match(at.receiver.unexpected.join(), /^(POST \S+ expired token,?){5}$/);
});

test("a failure to get a token is reported as such and nothing is posted", async () => {
  await using at = await scene();
  at.receiver.behaveToken({ status: 401, body: { error: "invalid_client" } });
  assert.match((await failure(at.client.post(entry))).message, /token server.*401.*invalid_client/);
  assert.equal(at.receiver.requests.posts, 0);
});

test("a stored entry counts as stored, however its answer ends", async () => {
  await using at = await scene({ maxResponseBytes: 2048 });
  at.receiver.behave("oversized", "half-body", { status: 201, body: "thanks" }, "answer-and-drop");
  assert.deepEqual(await at.client.post(entry), { id: null });
  assert.deepEqual(await at.client.post(entry), { id: null });
  assert.deepEqual(await at.client.post(entry), { id: null });
  assert.deepEqual(await at.client.post(entry), { id: at.receiver.entries[2]?.id });
  await at.client.post(entry);
});
