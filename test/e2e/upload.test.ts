import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { findPorts } from "../../dev/stack/server.ts";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { Service } from "../support/service.ts";
import { followTopics, type Topics, testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";
import { type Answered, archivePart, form, formType, identity, send } from "../support/upload.ts";

const database = testDatabase({ asMigrated: true });
const name = `test-${process.pid}-${Date.now().toString(36)}`;
const env = {
  KAFKA_BROKERS: process.env.TEST_KAFKA_BROKERS,
  CCX_ANNOUNCEMENTS_TOPIC: `platform.upload.announce.${name}`,
  CCX_PAYLOAD_STATUS_TOPIC: `platform.payload-status.${name}`,
};
const folder = mkdtempSync(path.join(tmpdir(), "ccx-upload-"));
const cluster = "c25da893-5ba1-4229-9432-c8ec9334c4a0";
const upload = "/api/ingress/v1/upload";

const services = new Set<Service>();
let topics: Topics;
before(async () => {
  topics = await followTopics(testKafka(), [env.CCX_ANNOUNCEMENTS_TOPIC, env.CCX_PAYLOAD_STATUS_TOPIC]);
});
after(async () => {
  for (const service of services) await service.kill();
  await topics[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function start(
  command: "serve" | "work",
  more: Record<string, string> = {},
): Promise<{ service: Service; url: string }> {
  const [port] = await findPorts(1);
  const url = `http://127.0.0.1:${port}`;
  const service = new Service(
    command,
    { ...env, DATABASE_URL: database.url, CCX_HTTP_PORT: String(port), ...more },
    more.KILL_BEFORE && "./kill_before.ts",
  );
  services.add(service);
  if (!more.KILL_BEFORE) await service.says("running");
  else await until("it listens", () => fetch(`${url}/livez`).then(Boolean, () => false));
  return { service, url };
}

const query = (sql: string) => rows(database.pool, sql);
const announcements = async () =>
  (await topics.read(env.CCX_ANNOUNCEMENTS_TOPIC)).map(({ value }) => JSON.parse(String(value)));
const leasesEnd = () =>
  query(
    "update upload_message set due_at = now() where due_at is not null; select graphile_worker.add_job('announce_uploads')",
  );

test("an upload as the Insights Operator makes it is announced, and its URL gives the archive out", async () => {
  const { service: serving, url } = await start("serve");
  const { service: working } = await start("work", { CCX_ARCHIVE_BASE_URL: url });
  const content = randomBytes(92_904);
  const file = path.join(folder, "payload.tar.gz");
  await writeFile(file, content);
  await writeFile(
    path.join(folder, "metadata.json"),
    '{"custom_metadata":{"gathering_time":"2026-11-27T07:31:46Z"}}',
  );
  const { stdout } = await promisify(execFile)("curl", [
    ...["--silent", "--show-error", "--include", "-H", `x-rh-identity: ${identity("42", { cluster })}`],
    ...[
      "-H",
      `User-Agent: insights-operator/4.17.0-abc cluster/${cluster}`,
      "-H",
      "Transfer-Encoding: chunked",
    ],
    ...["-F", `file=@${file};type=application/vnd.redhat.openshift.periodic`],
    ...["-F", `metadata=@${path.join(folder, "metadata.json")};type=application/octet-stream`],
    url + upload,
  ]);
  assert.match(stdout, /^HTTP\/1\.1 202 /);
  const id = /^x-rh-insights-request-id: ([0-9a-f]{32})\r$/m.exec(stdout)?.[1];
  assert.ok(stdout.endsWith(`{"request_id":"${id}","upload":{"account_number":"6212377","org_id":"42"}}`));

  const announced = await until("it is announced", async () => (await announcements())[0]);
  assert.deepEqual([announced.request_id, announced.size], [id, 92_904]);
  const got = Buffer.from(await (await fetch(announced.url)).arrayBuffer());
  assert.ok(got.equals(content));
  await until(
    "its success is said",
    async () => (await topics.read(env.CCX_PAYLOAD_STATUS_TOPIC)).length === 2,
  );
  const [status] = await query("select request_id, state, cluster, failure from upload_status");
  assert.deepEqual(status, { request_id: id, state: "announced", cluster, failure: null });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^ccx_upload_requests_total\{outcome="accepted"\} 1$/m);
  await serving.stop();
  await working.stop();
});

test("the memory of the process does not grow with the size of an archive", async () => {
  const { service, url } = await start("serve");
  const small = await service.peakMemory();
  const limit = 104_857_600;
  const piece = randomBytes(1_000_000);
  const hash = createHash("sha256");
  const [head, tail] = form([archivePart("CONTENT")])
    .toString()
    .split("CONTENT") as [string, string];
  const body = async function* (bytes: number) {
    yield Buffer.from(head);
    for (let left = bytes; left > 0; left -= piece.length) {
      const next = piece.subarray(0, Math.min(left, piece.length));
      hash.update(next);
      yield next;
    }
    yield Buffer.from(tail);
  };
  const headers = { "content-type": formType, "x-rh-identity": identity("42", { cluster }) };
  const answer = await send(url + upload, { headers, body: body(limit) });
  assert.equal(answer.status, 202);
  const [archive] = await query(
    "select size, sha256, object_key from archives order by archive_id desc limit 1",
  );
  assert.deepEqual([archive?.size, archive?.sha256], [String(limit), hash.digest("hex")]);
  const [stored] = await query(
    `select count(*)::integer as chunks, sum(octet_length(bytes)) as bytes from archive_chunk
     where object_key = '${archive?.object_key}'`,
  );
  assert.deepEqual(stored, { chunks: 400, bytes: String(limit) });
  const peak = await service.peakMemory();
  console.log(`memory: ${Math.round(small / 1e6)} MB before, ${Math.round(peak / 1e6)} MB at most`);
  assert.ok(peak < 300 * 1024 * 1024, `${peak} bytes`);
  await service.stop();
});

test("a process that is killed with an archive in its store loses nothing, and its client comes again", async () => {
  await query("truncate archive, archive_chunk, upload_message cascade");
  const { service: unlucky, url } = await start("serve", { KILL_BEFORE: "accept" });
  const headers = {
    "content-type": formType,
    "x-rh-identity": identity("42", { cluster }),
    "x-rh-insights-request-id": "again",
  };
  const body = form([archivePart(randomBytes(600_000))]);
  await assert.rejects(send(url + upload, { headers, body }));
  await until("it is dead", () => unlucky.hasEnded);
  assert.deepEqual(await query("select from archive"), []);
  assert.deepEqual(await query("select from upload_message"), []);
  assert.equal((await query("select from archive_chunk")).length, 3, "what the sweep finds in an hour");
  const { service: lucky, url: other } = await start("serve");
  const answer: Answered = await send(other + upload, { headers, body });
  assert.equal(answer.status, 202);
  assert.deepEqual(await query("select request_id, size from archives"), [
    { request_id: "again", size: "600000" },
  ]);
  await lucky.stop();
});

test("a worker that is killed after it announced announces again, with the same bytes", async () => {
  const before = (await announcements()).length;
  const at = { CCX_ARCHIVE_BASE_URL: "http://ingress.example" };
  const { service: unlucky } = await start("work", { KILL_BEFORE: "announced", ...at });
  await until("it is dead", () => unlucky.hasEnded);
  const [first, ...more] = (await announcements()).slice(before);
  assert.deepEqual([first.request_id, more], ["again", []]);
  await query("update graphile_worker._private_jobs set locked_by = null, locked_at = null");
  await leasesEnd();
  const { service: lucky } = await start("work", at);
  const again = await until("it is announced again", async () => (await announcements()).slice(before)[1]);
  assert.deepEqual(again, first);
  await until(
    "it is settled",
    async () => (await query("select state from upload_status"))[0]?.state === "announced",
  );
  await lucky.stop();
});
