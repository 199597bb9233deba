import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { startGuard } from "../../dev/stack/guard.ts";
import { type RunningS3, startS3 } from "../../dev/stack/s3/s3.ts";
import { DatabaseStore, inChunks } from "../../src/objects/database.ts";
import { FolderStore } from "../../src/objects/folder.ts";
import { S3Store } from "../../src/objects/s3.ts";
import { isKey, ObjectMissing, type ObjectStore } from "../../src/objects/store.ts";
import { testDatabase } from "../support/database.ts";
import { archivePart, send, servedIngress } from "../support/upload.ts";

const database = testDatabase();
const labels = { requestID: "id", account: "", org: "42" };
const large = randomBytes(6 * 1024 * 1024 + 1);

const guard = startGuard();
const folder = mkdtempSync(path.join(tmpdir(), "ccx-stores-"));
guard.addFolder(folder);
let s3: RunningS3;
before(async () => {
  const s3Folder = path.join(folder, "s3");
  await mkdir(s3Folder);
  s3 = await startS3(s3Folder, guard);
});
after(() => guard.end());

const inS3 = (more: Partial<ConstructorParameters<typeof S3Store>[0]> = {}) =>
  new S3Store({
    bucket: s3.bucket,
    region: s3.region,
    endpoint: s3.endpoint,
    pathStyle: true,
    credentials: s3,
    ...more,
  });

// it gives out what the stores have that cannot do so themselves
const inDatabase = servedIngress(database);
const viaS3 = servedIngress(database); // its store comes later, as the server does
const inFolder = servedIngress(database, {
  store: (url) => new FolderStore(path.join(folder, "served"), database.pool, url),
});

const stores: Record<string, () => ObjectStore> = {
  database: () => new DatabaseStore(database.pool, "http://127.0.0.1:1"),
  folder: () => new FolderStore(path.join(folder, "objects"), database.pool, "http://127.0.0.1:1"),
  s3: () => inS3(),
};

async function* pieces(content: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

const contentOf = async (store: ObjectStore, key: string) =>
  Buffer.concat(await Array.fromAsync(await store.get(key)));

const keysOf = async (store: ObjectStore, prefix: string) =>
  (await Array.fromAsync(store.list(prefix))).map(({ key }) => key).sort();

for (const [name, open] of Object.entries(stores)) {
  test(`${name}: what is put can be got, listed and deleted, whatever its size`, async () => {
    const store = open();
    assert.equal(store.name, name);
    for (const [size, piece] of [
      [0, 1],
      [1, 1],
      [256 * 1024, 1000],
      [256 * 1024 + 1, 65_536],
      [large.length, 100_000],
    ] as const) {
      const key = `p1/42/size-${size}`;
      await store.put(key, pieces(large.subarray(0, size), piece), labels);
      assert.ok((await contentOf(store, key)).equals(large.subarray(0, size)), key);
    }
    await store.put("p10/1/other", pieces(large.subarray(0, 5), 2), labels);
    const keys = await keysOf(store, "p1");
    assert.deepEqual(keys, [
      "p1/42/size-0",
      "p1/42/size-1",
      "p1/42/size-262144",
      "p1/42/size-262145",
      "p1/42/size-6291457",
    ]);
    for await (const { storedAt } of store.list("p1"))
      assert.ok(Math.abs(storedAt.getTime() - Date.now()) < 600_000, String(storedAt));
    for (const key of keys) await store.delete(key);
    await store.delete("p1/42/never-was");
    assert.deepEqual(await keysOf(store, "p1"), []);
    assert.deepEqual(await keysOf(store, "p10"), ["p10/1/other"]);
    await assert.rejects(store.get("p1/42/size-1"), ObjectMissing);
    await assert.rejects(store.get("p1/42"), ObjectMissing);
    await store.close();
  });

  test(`${name}: an object whose source fails in the middle is not there`, async () => {
    const store = open();
    const broken = async function* (after: number) {
      yield large.subarray(0, after);
      throw new Error("cut");
    };
    for (const after of [10, 300_000, large.length])
      await assert.rejects(store.put(`p2/42/cut-${after}`, broken(after), labels), /cut/);
    assert.deepEqual(await keysOf(store, "p2"), []);
    await store.close();
  });
}

test("s3: more large objects than go up at the same time get there, also beside some that fail", async () => {
  const store = inS3();
  const broken = async function* () {
    yield large.subarray(0, 400_000);
    throw new Error("cut");
  };
  const puts = await Promise.allSettled(
    Array.from({ length: 24 }, (_, nth) =>
      store.put(
        `p4/42/${nth}`,
        nth % 2 ? broken() : pieces(large.subarray(0, 300_000 + nth), 100_000),
        labels,
      ),
    ),
  );
  assert.equal(puts.filter(({ status }) => status === "rejected").length, 12);
  assert.equal((await keysOf(store, "p4")).length, 12);
  assert.ok((await contentOf(store, "p4/42/22")).equals(large.subarray(0, 300_022)));
});

test("s3: an upload goes there, and its URL leads there", async () => {
  viaS3.store = inS3();
  for (const size of [0, 150_000]) {
    const content = large.subarray(0, size);
    const answer = await viaS3.upload([archivePart(content)], { "x-rh-insights-request-id": `s3-${size}` });
    assert.equal(answer.status, 202);
    const found = await database.pool.query("select store, object_key from archive where request_id = $1", [
      `s3-${size}`,
    ]);
    assert.equal(found.rows[0]?.store, "s3");
    const got = await fetch(await viaS3.store.url(found.rows[0].object_key, 60, new Date()));
    assert.equal(got.headers.get("x-amz-meta-requestid"), `s3-${size}`);
    assert.ok(Buffer.from(await got.arrayBuffer()).equals(content));
  }
  const { rowCount } = await database.pool.query("select from archive_chunk where object_key like '%/s3-%'");
  assert.equal(rowCount, 0);
});

test("s3: a URL leads to the content until it expires, and only as it is", async () => {
  const store = inS3();
  await store.put("p3/42/some-1.2_3", pieces(large, 100_000), labels);
  const now = new Date();
  const url = await store.url("p3/42/some-1.2_3", 60, now);
  assert.equal(await store.url("p3/42/some-1.2_3", 60, now), url, "the same for the same moment");
  assert.match(url, /\?X-Amz-Algorithm=AWS4-HMAC-SHA256&.*X-Amz-Expires=60/);
  const answer = await fetch(url);
  assert.equal(answer.headers.get("content-type"), "application/gzip");
  assert.equal(answer.headers.get("x-amz-meta-org"), "42");
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(large));
  const ago = await store.url("p3/42/some-1.2_3", 60, new Date(now.getTime() - 61_000));
  const wrong = await inS3({ credentials: { ...s3, secretAccessKey: "wrong" } }).url(
    "p3/42/some-1.2_3",
    60,
    now,
  );
  for (const refused of [ago, wrong, url.replace("some-1", "some-2"), url.replace(/\?.*/, "")])
    assert.equal((await fetch(refused)).status, 403, refused);
});

test("s3: a bucket may be named before the host, and a wrong secret or a missing bucket is an error", async () => {
  const url = await inS3({ pathStyle: false, endpoint: "http://s3.example:9" }).url("p/k", 60, new Date());
  assert.match(url, /^http:\/\/archives\.s3\.example:9\/p\/k\?/);
  const amazon = await inS3({ endpoint: undefined, pathStyle: false }).url("p/k", 60, new Date());
  assert.match(amazon, /^https:\/\/archives\.s3\.us-east-1\.amazonaws\.com\/p\/k\?X-Amz-Algorithm=/);
  for (const wrong of [{ bucket: "none" }, { credentials: { ...s3, secretAccessKey: "wrong" } }]) {
    await assert.rejects(inS3(wrong).put("p/k", pieces(large, 100_000), labels));
    await assert.rejects(inS3(wrong).put("p/k", pieces(large.subarray(0, 9), 9), labels));
  }
});

test("folder: while its file system is not there, nothing is taken for gone", async () => {
  const root = path.join(folder, "mounted");
  const store = new FolderStore(root, database.pool, "http://127.0.0.1:1");
  await store.put("p/1/x", pieces(large.subarray(0, 9), 9));
  await rename(root, `${root}.away`);
  const away = { message: /^the folder of the store is not there: / };
  for (const left of ["nothing", "an empty folder", "a file"] as const) {
    if (left === "an empty folder") await mkdir(root);
    if (left === "a file") await writeFile(root, "");
    await assert.rejects(store.get("p/1/x"), away, left);
    await assert.rejects(store.delete("p/1/x"), away, left);
    if (left !== "nothing") await rm(root, { recursive: true });
  }
  await rename(`${root}.away`, root);
  assert.equal((await contentOf(store, "p/1/x")).length, 9);
  await store.delete("p/1/x");
  await store.delete("p/1/x");
  await assert.rejects(store.get("p/1/x"), ObjectMissing);
});

test("folder: nothing is written outside of it, and what a dead process left is found", async () => {
  const store = new FolderStore(path.join(folder, "own"), database.pool, "http://127.0.0.1:1");
  for (const key of ["../x", "/x", "a/../../x", "a//b", "a/.", "", "a\\b", "a\0"]) {
    assert.ok(!isKey(key), key);
    await assert.rejects(store.put(key, pieces(large, 1e6)), TypeError, key);
    await assert.rejects(store.get(key), TypeError);
  }
  await store.put("p/1/x", pieces(large.subarray(0, 9), 9));
  await writeFile(path.join(folder, "own/p/1/y.123.unfinished"), "x");
  assert.deepEqual(await keysOf(store, "p"), ["p/1/x", "p/1/y.123.unfinished"]);
  assert.deepEqual(await readdir(path.join(folder, "own/p/1")), ["x", "y.123.unfinished"]);
});

for (const [name, ingress] of [
  ["database", inDatabase],
  ["folder", inFolder],
] as const)
  test(`${name}: this service gives an archive out by a signed URL, until it expires or the archive is gone`, async () => {
    const content = large.subarray(0, 150_000);
    await ingress.upload([archivePart(content)], { "x-rh-insights-request-id": `url-${name}` });
    const found = await database.pool.query("select object_key from archive where request_id = $1", [
      `url-${name}`,
    ]);
    const key = String(found.rows[0]?.object_key);
    const url = await ingress.store.url(key, 60, new Date());
    assert.ok(url.startsWith(`${ingress.url}/api/ingress/v1/archive/`));
    const answer = await fetch(url);
    assert.equal(answer.headers.get("content-type"), "application/gzip");
    assert.equal(answer.headers.get("content-length"), "150000");
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(content));
    const head = await send(url, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"], head.body], [200, "150000", ""]);

    const other = await ingress.store.url(`${key}0`, 60, new Date());
    const ago = await ingress.store.url(key, 60, new Date(Date.now() - 61_000));
    const later = url.replace(/expires=\d+/, (text) => `expires=${Number(text.slice(8)) + 1}`);
    for (const refused of [
      ago,
      later,
      url.replace(/.$/, "g"),
      `${url}0`,
      url.replace(/\?.*/, ""),
      `${url}&expires=1`,
    ])
      assert.equal((await fetch(refused)).status, 403, refused);
    assert.equal((await fetch(other)).status, 404, "signed, but there is no such archive");
    await database.pool.query("update archive set removed_at = now() where object_key = $1", [key]);
    assert.equal((await fetch(url)).status, 404, "about to be removed");
    await database.pool.query("update archive set removed_at = null where object_key = $1", [key]);
    await ingress.store.delete(key);
    assert.equal((await fetch(url)).status, 404);
  });

test("pieces of any size become chunks of one size", async () => {
  for (const size of [1, 3, 7, 8, 100]) {
    const chunks = await Array.fromAsync(inChunks(pieces(large.subarray(0, 50), size), 8));
    assert.ok(Buffer.concat(chunks).equals(large.subarray(0, 50)));
    assert.deepEqual(
      chunks.map(({ length }) => length),
      [8, 8, 8, 8, 8, 8, 2],
    );
  }
});
