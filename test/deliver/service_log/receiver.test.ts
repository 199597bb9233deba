import assert from "node:assert/strict";
import { test } from "node:test";
import { cluster } from "../rows.ts";
import { scene } from "./scene.ts";

test("the stand-in receiver writes down every request that should not have been made", async () => {
  await using at = await scene();
  const token = await at.tokens.get();
  const authorization = `Bearer ${token}`;
  const json = { "content-type": "application/json" };
  const post = (body: unknown, headers: Record<string, string> = { ...json, authorization }) => {
    return fetch(at.receiver.url, { method: "POST", headers, body: JSON.stringify(body) });
  };
  const minimal = { cluster_uuid: cluster, summary: "s", service_name: "n", severity: "Info" };
  assert.equal((await post(minimal)).status, 201);
  assert.deepEqual(at.receiver.unexpected, []);
  const answers = [
    await post(minimal, json),
    await post(minimal, { ...json, authorization: "Bearer other" }),
    await post(minimal, { authorization, "content-type": "text/plain" }),
    await post({ ...minimal, summary: undefined }),
    await post({ ...minimal, stray: 1 }),
    await post({ ...minimal, internal_only: "no" }),
    await post({ ...minimal, summary: "😀".repeat(256) }),
    await post({ ...minimal, description: "x".repeat(4001) }),
    await post("not an object"),
    await fetch(at.receiver.url, { method: "DELETE" }),
    await fetch(at.receiver.url.replace("cluster_logs", "other")),
    await fetch(at.receiver.url, { headers: { authorization } }),
    await fetch(at.receiver.tokenUrl, { method: "POST", body: new URLSearchParams({ scope: "openid" }) }),
  ];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [...[401, 401, 415, 400, 400, 400, 400, 400, 400, 405, 404, 400, 400]],
  );
  assert.equal(at.receiver.unexpected.length, answers.length);
  assert.equal(at.receiver.entries.length, 1);
  const error = (await answers[3]?.json()) as Record<string, unknown>;
  assert.deepEqual(Object.keys(error).sort(), ["code", "href", "id", "kind", "operation_id", "reason"]);
});
