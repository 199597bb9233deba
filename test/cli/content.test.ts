import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReport, rows } from "../support/builders.ts";
import { assertGivesUp, runCcx } from "../support/command.ts";
import { answerAsFolder, answerInGob, answerInJson } from "../support/content_answer.ts";
import { folderOf, openRules } from "../support/content_folder.ts";
import { type ContentService, startContentService } from "../support/content_service.ts";
import { openDatabase, testDatabase } from "../support/database.ts";

const database = testDatabase();

const versions = async () =>
  (await database.pool.query("select *, xmin::text from rule_content order by id")).rows;
const env = (service: ContentService, more: Record<string, string> = {}) => ({
  DATABASE_URL: database.url,
  CCX_CONTENT_URL: service.url,
  ...more,
});

test("ccx content fetch takes over what the service has, and recognises it later from wherever it comes", async (t) => {
  await using service = await startContentService();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCcx(["content", ...args], env(service));
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout;
  };
  assert.equal(await run("fetch"), "3 added, 0 changed, 0 removed, 0 unchanged\n");
  const before = await versions();
  assert.equal(before.length, 3);

  const unchanged = {
    added: 0,
    changed: 0,
    removed: 0,
    unchanged: 3,
    refused: 0,
    vanished: [],
    appeared: [],
  };
  assert.deepEqual(JSON.parse(await run("fetch", "--json")), unchanged);
  service.serve(answerInJson);
  assert.equal(await run("fetch"), "0 added, 0 changed, 0 removed, 3 unchanged\n");
  const folder = await folderOf(t, answerAsFolder);
  assert.deepEqual(JSON.parse(await run("load", folder, "--json")), unchanged);
  assert.deepEqual(await versions(), before);

  const { disk_full } = answerInJson.Rules;
  service.serve({ ...answerInJson, Rules: { disk_full } });
  assert.equal(await run("fetch"), "0 added, 0 changed, 2 removed, 1 unchanged\n");
  assert.equal(service.requests(), 4);
  assert.deepEqual(service.unexpected, []);
});

test("what goes wrong is one line with exit code 1, and the content stays as it was", async () => {
  await using service = await startContentService();
  assert.equal((await runCcx(["content", "fetch"], env(service))).code, 0);
  const before = await versions();
  const says = async (line: string, more?: Record<string, string>) => {
    const end = await runCcx(["content", "fetch"], env(service, more));
    assertGivesUp(end, /^/);
    assert.equal(end.stderr, `ccx: ${line}\n`);
    assert.equal(end.stdout, "");
  };

  service.behave({ body: Buffer.from("no"), status: 500 });
  await says(`${service.name}: answers with HTTP 500`);
  service.behave({ body: Buffer.from("<html>"), type: "text/html" });
  await says(`${service.name}: answers with HTML, not with rule content`);
  service.behave("half-body");
  await says(`${service.name}: breaks off in the middle of its answer`);
  service.behave("slow");
  await says(`${service.name}: does not end its answer within 500 ms`, { CCX_CONTENT_TIMEOUT_MS: "500" });
  service.behave("hang");
  await says(`${service.name}: does not answer within 500 ms`, { CCX_CONTENT_TIMEOUT_MS: "500" });
  service.behave("oversized");
  await says(`${service.name}: answers with more than 50 MiB`);
  service.behave({ body: Buffer.concat([answerInGob, answerInGob]) });
  await says(
    `${service.name}: the answer is not valid gob: byte ${answerInGob.length}: something follows the value`,
  );
  assert.deepEqual(await versions(), before);
  assert.deepEqual(service.unexpected, []);
});

test("without an address there is nothing to fetch, and plain http to elsewhere has to be allowed", async () => {
  const DATABASE_URL = database.url;
  const end = await runCcx(["content", "fetch"], { DATABASE_URL });
  assertGivesUp(end, /^ccx: CCX_CONTENT_URL is not set\. Where a content service gives out what rules say/);
  const CCX_CONTENT_URL = "http://content.invalid/api/v1/content";
  const plain = await runCcx(["content", "fetch"], { DATABASE_URL, CCX_CONTENT_URL });
  assertGivesUp(
    plain,
    /^ccx: CCX_CONTENT_URL has to be an https:\/\/ URL .*CCX_CONTENT_ALLOW_HTTP has to be true\.$/,
  );
  const allowed = { DATABASE_URL, CCX_CONTENT_URL, CCX_CONTENT_ALLOW_HTTP: "true" };
  assertGivesUp(
    await runCcx(["content", "fetch"], allowed),
    /^ccx: content service http:\/\/content\.invalid\/api\/v1\/content: (cannot be reached \((ENOTFOUND|EAI_AGAIN)\)|does not answer within 30000 ms)$/,
  );
});

test("ccx content load says what vanished and appeared together, ccx content rename lets its issues go on", async () => {
  await using database = await openDatabase();
  const run = (...args: string[]) => runCcx(["content", ...args], { DATABASE_URL: database.url });
  await using folder = await openRules();
  await folder.replace({ disk: {}, net: {} });
  await run("load", folder.path);
  await addReport(database.pool, aCluster(), "2026-03-01", ["disk"]);

  await folder.replace({ full_disk: {}, net: {} });
  const loaded = await run("load", folder.path);
  assert.equal(loaded.code, 0);
  assert.match(
    loaded.stderr,
    /^ccx: Together vanished pkg\.disk and appeared pkg\.full_disk\. .*ccx content rename/,
  );

  const done = await run("rename", "disk", "full_disk", "--json");
  assert.deepEqual([done.code, done.stderr], [0, ""]);
  const [{ issues, new_component }] = JSON.parse(done.stdout);
  assert.deepEqual([issues, new_component], [1, "pkg.full_disk.report"]);
  assert.deepEqual(await rows(database.pool, "select rule_name, error_key from rule"), [
    { rule_name: "full_disk", error_key: "KEY" },
  ]);
  const again = await run("rename", "disk", "other");
  assert.deepEqual([again.code, again.stdout], [1, ""]);
  assert.match(again.stderr, /^ccx: the rule disk is full_disk now\nccx: .*no rule of the name disk$/m);

  const clusters = Array.from({ length: 12 }, aCluster);
  for (const cluster of clusters) await addReport(database.pool, cluster, "2026-03-01", ["net"]);
  const many = await run("rename", "net", "network");
  assert.deepEqual([many.code, many.stdout], [1, ""]);
  assert.match(many.stderr, /^ccx: Nothing was renamed\. --yes says that it is meant\.$/m);
  assert.deepEqual(await rows(database.pool, "select from rule where rule_name = 'network'"), []);
  assert.equal((await run("rename", "net", "network", "--yes")).code, 0);
});
