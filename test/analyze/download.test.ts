import assert from "node:assert/strict";
import dns from "node:dns";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { createGzip, gzipSync } from "node:zlib";
import { type AllowedHost, type Fetching, fetchArchive } from "../../src/analyze/download.ts";
import { ArchiveError } from "../../src/analyze/failures.ts";
import { matcherOf } from "../../src/analyze/paths.ts";
import { type ArchiveLimits, maxTextBytes, unpack } from "../../src/analyze/unpack.ts";
import { createAgent } from "../../src/http/client.ts";
import { until } from "../support/until.ts";
import { type ArchiveServer, archiveOf, startArchiveServer } from "../support/uploads.ts";

const limits: ArchiveLimits = { maxBytes: 2_000_000, maxUnpackedBytes: 8_000_000, maxEntries: 100 };
const all = { wants: () => true };

/** In chunks of a size that cuts headers in the middle. */
function* chunksOf(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const streamOf = (bytes: Buffer, size = 700): Readable =>
  Readable.from(chunksOf(bytes, size), { objectMode: false });

const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error) => {
      if (!(error instanceof ArchiveError)) throw error;
      return error.failure;
    },
  );

const failureOfArchive = async (bytes: Buffer, given: Partial<ArchiveLimits> = {}) =>
  failureOf(unpack(streamOf(bytes), { ...limits, ...given }, all));

test("an archive is read, whatever its chunks are, gzipped or not", async () => {
  const contents = {
    "config/id": "c",
    "./config/a.json": '{"a":"ä"}',
    [`${"n/".repeat(80)}long`]: "by a long name",
    empty: "",
  };
  for (const gzip of [true, false])
    for (const size of [1, 511, 65_536]) {
      const bytes = await archiveOf(contents, { gzip });
      const { texts, entries, bytes: came } = await unpack(streamOf(bytes, size), limits, all);
      assert.deepEqual(Object.fromEntries(texts), {
        "config/id": "c",
        "config/a.json": '{"a":"ä"}',
        [`${"n/".repeat(80)}long`]: "by a long name",
        empty: "",
      });
      assert.equal(entries, 4);
      assert.equal(came, bytes.length);
    }
});

test("only what is wanted is kept, and folders are no files", async () => {
  const bytes = await archiveOf([
    { name: "config/", type: "directory" },
    { name: "config/id", body: "c" },
    { name: "config/pod/a/b.json", body: "{}" },
    { name: "config/pod/a/logs/b/c.log", body: "x".repeat(5_000) },
  ]);
  const { texts, entries } = await unpack(streamOf(bytes), limits, {
    wants: matcherOf(["config/pod/*/*.json"]),
  });
  assert.deepEqual([...texts.keys()], ["config/pod/a/b.json"]);
  assert.equal(entries, 3);
});

test("patterns stand for one part of a path, or for all of it", () => {
  const is = matcherOf(["config/*.json", "events/**", "a+b?.txt"]);
  for (const path of ["config/a.json", "events/a", "events/a/b/c.json", "a+b?.txt"])
    assert.ok(is(path), path);
  for (const path of ["config/a/b.json", "config/a.jsonx", "xevents/a", "aab.txt", ""])
    assert.ok(!is(path), path);
  assert.ok(matcherOf(["x", "**"])("anything/at/all"));
  assert.ok(!matcherOf([])("anything"));
});

test("bytes that PostgreSQL refuses are replaced", async () => {
  const bytes = await archiveOf({ "a.log": Buffer.from([0x61, 0, 0xff, 0x62]) });
  const { texts } = await unpack(streamOf(bytes), limits, all);
  assert.equal(texts.get("a.log"), "a\u{FFFD}\u{FFFD}b");
});

test("what is no archive, or not all of one, is refused", async () => {
  const whole = await archiveOf({
    "config/id": "c".repeat(40),
    "b.log": Buffer.from(Array.from({ length: 4_000 }, (_, i) => (i * 7919) % 251)),
  });
  const plain = await archiveOf({ "config/id": "c".repeat(3_000) }, { gzip: false });
  for (const [what, bytes, failure] of [
    ["nothing", Buffer.alloc(0), "empty_archive"],
    [
      "an error page",
      Buffer.from("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>".repeat(20)),
      "not_an_archive",
    ],
    ["a short text", Buffer.from("hello"), "not_an_archive"],
    ["text that is gzipped", gzipSync("hello ".repeat(2_000)), "not_an_archive"],
    ["gzip of nothing", gzipSync(""), "empty_archive"],
    ["a tar archive without files", gzipSync(Buffer.alloc(1024)), "empty_archive"],
    ["half of gzip", whole.subarray(0, whole.length >> 1), "truncated"],
    ["only the beginning of gzip", whole.subarray(0, 12), "truncated"],
    ["half of tar", plain.subarray(0, 1_500), "truncated"],
    [
      "gzip with a hole",
      Buffer.concat([whole.subarray(0, 60), Buffer.alloc(60), whole.subarray(120)]),
      "not_an_archive",
    ],
    ["zip", Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(1_000, 1)]), "not_an_archive"],
  ] as const)
    assert.equal(await failureOfArchive(bytes), failure, what);
});

test("an archive that is too much is refused while it is read", async () => {
  const many = await archiveOf(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}` })));
  assert.equal(await failureOfArchive(many), "too_many_entries");
  const folders = await archiveOf(
    Array.from({ length: 101 }, (_, i) => ({ name: `f${i}/`, type: "directory" as const })),
  );
  assert.equal(await failureOfArchive(folders), "too_many_entries", "folders count");
  const one = await archiveOf({ a: Buffer.from(Array.from({ length: 9_000 }, (_, i) => (i * 7919) % 251)) });
  assert.equal(await failureOfArchive(one, { maxBytes: 50 }), "archive_too_large");
  assert.equal(await failureOfArchive(one, { maxUnpackedBytes: 5_000 }), "too_much_unpacked");
  const zeros = await archiveOf({ "config/a.json": Buffer.alloc(4_000_000) });
  assert.ok(zeros.length < 10_000);
  assert.equal(await failureOfArchive(zeros), "ratio");
  const few = await archiveOf({ "config/a.json": Buffer.alloc(900_000) });
  assert.ok(few.length < 900_000 / 200);
  assert.equal(await failureOfArchive(few), "none", "what is small may be as empty as it is");
});

test("what rules read is no more than the database parses in good time, whatever else is in an archive", async () => {
  const half = Buffer.alloc(maxTextBytes / 2, " ");
  const bytes = await archiveOf({ "config/a.json": half, "b.log": half, "c.log": "x" }, { gzip: false });
  const roomy = { maxBytes: 1e8, maxUnpackedBytes: 1e8 };
  assert.equal(await failureOfArchive(bytes, roomy), "too_much_unpacked");
  const { texts, entries } = await unpack(
    streamOf(bytes),
    { ...limits, ...roomy },
    {
      wants: matcherOf(["config/*.json", "c.log"]),
    },
  );
  assert.deepEqual([[...texts.keys()], entries], [["config/a.json", "c.log"], 3]);
});

test("ten gigabytes of zeros, and a million entries, end soon", async () => {
  function* zeros() {
    for (let n = 0; n < 10_000; n++) yield Buffer.alloc(1024 * 1024);
  }
  let asked = 0;
  const counted = Readable.from(
    (function* () {
      for (const chunk of zeros()) {
        asked++;
        yield chunk;
      }
    })(),
    { objectMode: false },
  );
  const bomb = counted.pipe(createGzip({ level: 1 }));
  assert.match(await failureOf(unpack(bomb, limits, all)), /^(ratio|too_much_unpacked|empty_archive)$/);
  assert.ok(asked < 200, `${asked} megabytes were asked for`);
  counted.destroy();

  const header = (await archiveOf([{ name: "x" }], { gzip: false })).subarray(0, 512);
  let headers = 0;
  const endless = Readable.from(
    (function* () {
      for (; headers < 1_000_000; headers++) yield header;
    })(),
    { objectMode: false },
  );
  // the name comes twice, but nobody gets as far as a million of different ones either
  assert.match(await failureOf(unpack(endless, limits, all)), /^(duplicate_name|too_many_entries)$/);
  assert.ok(headers < 10_000, `${headers} headers were read`);
});

test("names that lead elsewhere, links, devices and names that come twice are refused", async () => {
  for (const [name, failure] of [
    ["../../etc/passwd", "unsafe_path"],
    ["config/../../x", "unsafe_path"],
    ["/etc/passwd", "unsafe_path"],
    ["config\\..\\x", "unsafe_path"],
    ["config//x", "unsafe_path"],
    ["config/./x", "unsafe_path"],
    ["./../x", "unsafe_path"],
    [`config/${"x".repeat(256)}`, "name_too_long"],
    [`${"y/".repeat(600)}y`, "name_too_long"],
  ] as const)
    assert.equal(await failureOfArchive(await archiveOf([{ name, body: "x" }])), failure, name);
  for (const type of ["symlink", "link", "character-device", "block-device", "fifo"] as const)
    assert.equal(
      await failureOfArchive(await archiveOf([{ name: "a", type, linkname: "/etc/passwd" }])),
      "link_or_device",
      type,
    );
  const twice = [
    { name: "config/id", body: "a" },
    { name: "./config/id", body: "b" },
  ];
  assert.equal(await failureOfArchive(await archiveOf(twice)), "duplicate_name");
});

/** A header of tar as it stands there, with what stands behind it. */
function entryOf(name: string, type: string, body: string | Buffer = "", size = octal(body.length)): Buffer {
  const header = Buffer.alloc(512);
  for (const [at, text] of [
    [0, name],
    [100, "0000644\0"],
    [124, size],
    [136, octal(0)],
    [148, " ".repeat(8)],
    [156, type],
    [257, "ustar\x0000"],
  ] as const)
    header.write(text, at, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, Buffer.from(body), Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
const octal = (number: number) => `${number.toString(8).padStart(11, "0")}\0`;
const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  return `${rest.length + String(rest.length + 3).length}${rest}`;
};
const tarOf = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);
const file = (size?: string) => entryOf("file", "0", "12345", size);

test("what extended headers of tar say is believed no more than what plain ones say", async () => {
  const long = (name: string, type = "L") => entryOf("././@LongLink", type, name);
  const pax = (key: string, value: string, type = "x") => entryOf("pax", type, record(key, value));
  for (const [what, bytes, failure] of [
    ["a long name that leads elsewhere", tarOf(long("../../evil"), file()), "unsafe_path"],
    ["a long link", tarOf(long("/etc/passwd", "K"), entryOf("a", "2")), "link_or_device"],
    ["a sparse file of GNU", tarOf(entryOf("a", "S", "x".repeat(512))), "link_or_device"],
    ["one of POSIX", tarOf(pax("GNU.sparse.realsize", "99999999999"), file()), "link_or_device"],
    ["a kind that nobody knows", tarOf(entryOf("a", "Q", "x")), "link_or_device"],
    ["a path that leads elsewhere", tarOf(pax("path", "../evil"), file()), "unsafe_path"],
    ["a path with NUL", tarOf(pax("path", "a\0b"), file()), "unsafe_path"],
    ["a folder that leads elsewhere", tarOf(entryOf("/etc/", "5"), file()), "unsafe_path"],
    ["more than is there", tarOf(pax("size", "30000000"), file()), "truncated"],
    ["more than rules may read", tarOf(pax("size", "99999999999"), file()), "too_much_unpacked"],
    ["less than nothing", tarOf(pax("size", "-5"), file()), "not_an_archive"],
    ["a size that is no number", tarOf(pax("size", "five"), file()), "not_an_archive"],
    ["a header's size that is no number", tarOf(file("zzzzzzzzzzz")), "not_an_archive"],
    ["a header's size below nothing", tarOf(file("-0000000005")), "not_an_archive"],
    ["one in binary", tarOf(file("\xff".repeat(12))), "not_an_archive"],
  ] as const)
    assert.equal(await failureOfArchive(bytes), failure, what);
  for (const [what, bytes, name] of [
    ["a path for all files, which is for none", tarOf(pax("path", "../evil", "g"), file()), "file"],
    ["a comment", tarOf(pax("comment", "x", "g"), file()), "file"],
    ["a long name", tarOf(long(`${"d/".repeat(200)}x`), file()), `${"d/".repeat(200)}x`],
    ["a path", tarOf(pax("path", "config/id"), file()), "config/id"],
    ["a file of the first tar", tarOf(entryOf("file", "\0", "12345")), "file"],
  ] as const) {
    const { texts } = await unpack(streamOf(bytes), limits, all);
    assert.deepEqual([...texts], [[name, "12345"]], what);
  }
});

test("gzip may come in several members or be filled up with zeros, and nothing else is behind it", async () => {
  const tar = await archiveOf({ "config/id": "c" }, { gzip: false });
  const whole = gzipSync(tar);
  for (const size of [10, 700, 65_536]) {
    const read = async (...parts: Buffer[]) =>
      (await unpack(streamOf(Buffer.concat(parts), size), limits, all)).texts.get("config/id");
    assert.equal(await read(gzipSync(tar.subarray(0, 100)), gzipSync(tar.subarray(100))), "c");
    assert.equal(await read(whole, Buffer.alloc(10_000)), "c");
    for (const more of ["garbage", "x".repeat(10_000)])
      assert.equal(
        await failureOf(unpack(streamOf(Buffer.concat([whole, Buffer.from(more)]), size), limits, all)),
        "not_an_archive",
      );
  }
  const two = Buffer.concat([whole, await archiveOf({ "config/id": "d" })]);
  assert.equal(await failureOfArchive(two), "duplicate_name");
});

test("what ends its source ends an archive, as it is; what cannot be written is no fault of the archive", async () => {
  const cut = new Error("cut");
  const whole = await archiveOf({ a: Buffer.from(Array.from({ length: 90_000 }, (_, i) => (i * i) % 251)) });
  for (const after of [1, 300, 600]) {
    const source = Readable.from(
      (function* () {
        yield* chunksOf(whole.subarray(0, after), 100);
        throw cut;
      })(),
      { objectMode: false },
    );
    await assert.rejects(unpack(source, limits, all), cut, `after ${after} bytes`);
  }
  const nowhere = { ...all, folder: "no\0folder" };
  await assert.rejects(unpack(streamOf(whole), limits, nowhere), { code: "ERR_INVALID_ARG_VALUE" });
  await assert.rejects(fetchArchive(server.serve("/whole", whole), fetching, nowhere, never), {
    code: "ERR_INVALID_ARG_VALUE",
  });
});

test("files are written below their folder only, and one that is a folder, too, is refused", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-test-"));
  try {
    const contents = { "config/id": "c", "dev/null": "x", "a/b/c.log": "log" };
    await unpack(streamOf(await archiveOf(contents)), limits, { wants: () => false, folder });
    assert.equal(await readFile(path.join(folder, "a/b/c.log"), "utf8"), "log");
    assert.deepEqual((await readdir(folder)).sort(), ["a", "config"]);
    assert.equal((await stat(path.join(folder, "a/b/c.log"))).mode & 0o777, 0o600, "nobody else reads it");
    for (const names of [
      ["x", "x/y"],
      ["z/y", "z"],
    ]) {
      const bytes = await archiveOf(Object.fromEntries(names.map((name) => [name, "1"])));
      assert.equal(
        await failureOf(unpack(streamOf(bytes), limits, { wants: () => false, folder })),
        "duplicate_name",
        names.join(" "),
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

let server: ArchiveServer;
let fetching: Fetching;
before(async () => {
  server = await startArchiveServer();
  const host: AllowedHost = { hostname: "127.0.0.1", port: String(server.port), plainHttp: true };
  fetching = {
    agent: createAgent({ connectTimeoutMs: 1_000 }, {}),
    allowed: [host],
    timeoutMs: 20_000,
    limits,
  };
});
after(async () => {
  await fetching.agent.destroy();
  await server[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
const fetched = (url: string, more: Partial<Fetching> = {}, stop = never) =>
  fetchArchive(url, { ...fetching, ...more }, all, stop);

test("an archive is fetched once, and its query goes with it", async () => {
  const url = server.serve(
    "/a?X-Amz-Signature=abc&X-Amz-Expires=86400",
    await archiveOf({ "config/id": "c" }),
  );
  const { texts } = await fetched(url);
  assert.equal(texts.get("config/id"), "c");
  assert.equal(server.times("/a?X-Amz-Signature=abc&X-Amz-Expires=86400"), 1);
  assert.deepEqual(server.unexpected, []);
});

test("only allowed hosts are asked, and by TLS unless that is written down", async () => {
  const asked = server.asked.length;
  const here = `127.0.0.1:${server.port}`;
  for (const url of [
    `http://localhost:${server.port}/a`,
    "http://127.0.0.1:1/a",
    `http://user:secret@${here}/a`,
    `http://user@${here}/a`,
    `http://:secret@${here}/a`,
    `ftp://${here}/a`,
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://metadata.google.internal/",
    "http://0/",
    "http://2852039166/",
    "not a url",
    "",
  ])
    assert.equal(await failureOf(fetched(url)), "forbidden_url", url);
  const [host] = fetching.allowed;
  assert.ok(host);
  const tlsOnly = { allowed: [{ ...host, plainHttp: false }] };
  assert.equal(await failureOf(fetched(`http://${here}/a`, tlsOnly)), "forbidden_url");
  // allowed by somebody's mistake, and refused all the same
  const any = { allowed: [{ hostname: "169.254.169.254", plainHttp: true }] };
  assert.equal(await failureOf(fetched("http://169.254.169.254/", any)), "forbidden_url");
  assert.equal(server.asked.length, asked, "nobody was asked");
});

test("a host is allowed on its port, which is that of the protocol where the URL names none", async () => {
  for (const [url, port, failure] of [
    ["https://a.invalid/x", "443", "unreachable"],
    ["https://a.invalid:443/x", "443", "unreachable"],
    ["http://a.invalid/x", "80", "unreachable"],
    ["https://a.invalid/x", "80", "forbidden_url"],
    ["http://a.invalid/x", "443", "forbidden_url"],
  ] as const) {
    const allowed = [{ hostname: "a.invalid", port, plainHttp: true }];
    assert.equal(await failureOf(fetched(url, { allowed })), failure, `${url} ${port}`);
  }
});

test("a name that is allowed and leads to a metadata address is not asked", async (t) => {
  t.mock.method(
    dns,
    "lookup",
    (_name: string, _options: object, callback: (error: null, found: object[]) => void) =>
      queueMicrotask(() => callback(null, [{ address: "169.254.169.254", family: 4 }])),
  );
  const allowed = [{ hostname: "*.store.example", plainHttp: true }];
  assert.equal(await failureOf(fetched("http://a.store.example/x", { allowed })), "forbidden_url");
});

test("a proxy is not asked for a metadata address either, whoever has allowed it", async () => {
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(502).end();
  });
  proxy.on("connect", (request, socket) => {
    asked.push(`${request.method} ${request.url}`);
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  const agent = createAgent({ connectTimeoutMs: 1_000 }, { http_proxy: `http://127.0.0.1:${port}` });
  try {
    for (const hostname of ["169.254.169.254", "[::ffff:a9fe:a9fe]", "metadata.google.internal"])
      assert.equal(
        await failureOf(fetched(`http://${hostname}/x`, { agent, allowed: [{ hostname, plainHttp: true }] })),
        "forbidden_url",
        hostname,
      );
    assert.deepEqual(asked, []);
    const allowed = [{ hostname: "a.invalid", plainHttp: true }];
    assert.notEqual(await failureOf(fetched("http://a.invalid/x", { agent, allowed })), "forbidden_url");
    assert.equal(asked.length, 1, "of what is allowed it is");
  } finally {
    await agent.destroy();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

test("a host below a domain is allowed, the domain by a similar name is not", async () => {
  const below = { allowed: [{ hostname: "*.example.invalid", plainHttp: true }] };
  assert.equal(await failureOf(fetched("http://a.b.example.invalid/x", below)), "unreachable");
  assert.equal(await failureOf(fetched("http://badexample.invalid/x", below)), "forbidden_url");
  assert.equal(await failureOf(fetched("http://example.invalid/x", below)), "forbidden_url");
});

test("each status has its failure, and redirects are not followed", async () => {
  for (const [status, failure] of [
    [301, "redirected"],
    [307, "redirected"],
    [204, "refused"],
    [403, "refused"],
    [404, "not_found"],
    [410, "not_found"],
    [408, "server_error"],
    [429, "server_error"],
    [500, "server_error"],
    [503, "server_error"],
  ] as const) {
    const url = server.serve(
      `/status${status}`,
      (_, response) =>
        void response.writeHead(status, { location: `http://127.0.0.1:${server.port}/target` }).end(),
    );
    assert.equal(await failureOf(fetched(url)), failure, String(status));
  }
  for (const location of ["file:///etc/passwd", "http://169.254.169.254/", "//127.0.0.1/target", ""]) {
    const url = server.serve("/elsewhere", (_, response) => void response.writeHead(302, { location }).end());
    assert.equal(await failureOf(fetched(url)), "redirected", location);
  }
  assert.equal(server.times("/target"), 0);
});

test("what is not read is not waited for: the connection of a refusal, and of what is no archive, ends", async () => {
  let open = 0;
  const endless = (status: number) =>
    server.serve(`/endless${status}`, (_, response) => {
      open++;
      response.once("close", () => open--);
      response.writeHead(status).flushHeaders();
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, "no archive")));
      };
      response.on("drain", more).on("error", () => undefined);
      more();
    });
  const patient = { timeoutMs: 600_000 }; // it is not the time limit that ends them
  assert.equal(await failureOf(fetched(endless(500), patient)), "server_error");
  assert.equal(await failureOf(fetched(endless(200), patient)), "not_an_archive");
  await until("both have ended", () => open === 0);
});

test("an archive that never comes, comes for ever, breaks off, or is of another length ends", async () => {
  const whole = await archiveOf({ a: Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) % 251)) });
  const hangs = server.serve("/hangs", () => undefined);
  assert.equal(await failureOf(fetched(hangs, { timeoutMs: 100 })), "too_slow");
  const stalls = server.serve(
    "/stalls",
    (_, response) => void response.writeHead(200).write(whole.subarray(0, 600)),
  );
  assert.equal(await failureOf(fetched(stalls, { timeoutMs: 100 })), "too_slow");
  const drops = server.serve("/drops", (_, response) => {
    response.writeHead(200, { "content-length": whole.length });
    response.write(whole.subarray(0, 600), () => response.destroy());
  });
  assert.equal(await failureOf(fetched(drops)), "broken_off");
  const refuses = server.serve("/refuses", (request) => void request.socket.destroy());
  assert.equal(await failureOf(fetched(refuses)), "unreachable");
  const endless = server.serve("/endless", (_, response) => {
    response.writeHead(200);
    response.write(whole);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 7)));
    };
    response.on("drain", more).on("error", () => undefined);
    more();
  });
  assert.match(await failureOf(fetched(endless)), /^(archive_too_large|not_an_archive)$/);
});

test("a fetch ends when the process is to stop, and that is no failure of the archive", async () => {
  const stop = new AbortController();
  const url = server.serve("/waits", () => stop.abort(new Error("stopping")));
  await assert.rejects(fetched(url, {}, stop.signal), (error) => !(error instanceof ArchiveError));

  const whole = await archiveOf({ a: "x".repeat(9_000) }, { gzip: false });
  const half = server.serve(
    "/half",
    (_, response) => void response.writeHead(200).write(whole.subarray(0, 600)),
  );
  const later = new AbortController();
  const stopping = {
    wants() {
      later.abort(new Error("stopping"));
      return true;
    },
  };
  await assert.rejects(
    fetchArchive(half, fetching, stopping, later.signal),
    (error) => !(error instanceof ArchiveError),
  );
});
