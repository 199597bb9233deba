import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { DatabaseStore } from "../../src/objects/database.ts";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import {
  archivePart,
  type FormPart,
  form,
  formType,
  identity,
  openshift,
  send,
  servedIngress,
} from "../support/upload.ts";
import recorded from "./recorded.json" with { type: "json" };

const database = testDatabase();
const ingress = servedIngress(database);
const upload = "/api/ingress/v1/upload";

/** A store that is away, or full. */
class Away extends DatabaseStore {
  override readonly name = "folder" as never;
  override async put(_key: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const _ of content) throw new Error("no space left");
  }
}
const withoutStore = servedIngress(database, { store: (url) => new Away(database.pool, url) });
const withoutStoreForLarge = servedIngress(database, {
  store: (url) => new Away(database.pool, url),
  limits: {
    services: ["openshift"],
    maxBytes: 200_000,
    maxBytesByService: new Map([["openshift", 2_000_000]]),
  },
});
const statements: string[] = [];
const countedPool = () =>
  new Proxy(database.pool, {
    get(pool, name) {
      if (name !== "query") return Reflect.get(pool, name);
      return (query: string | { text: string }, values?: unknown[]) => {
        const text = typeof query === "string" ? query : query.text;
        statements.push(/\b(\w+)\(/.exec(text)?.[1] ?? text);
        return pool.query(query, values);
      };
    },
  });
const counted = servedIngress(database, {
  get pool() {
    return countedPool();
  },
  store: (url) => new DatabaseStore(countedPool(), url),
  limits: { services: ["openshift"], maxBytes: 2_000_000, maxBytesByService: new Map() },
});
const busy = servedIngress(database, { concurrency: 1 });
let opened = 0;
const openedLate = servedIngress(database, {
  openStore: async () => {
    if (opened++ === 0) throw new Error("not yet");
    return openedLate.store;
  },
});

const archives = (where = "true") =>
  rows(
    database.pool,
    `select request_id, org_id, cluster, service, category, size, sha256, is_kept, same_as, object_key
     from archives where ${where} order by archive_id`,
  );
const chunks = async () => (await rows(database.pool, "select count(*) as n from archive_chunk"))[0]?.n;
const empty = () => database.pool.query("truncate archive, archive_chunk, upload_message cascade");

/** Ids that nobody gave are made here, in another form. */
const withoutMadeIds = (text: string) => text.replaceAll(/vm\/\w{10}-\d{6}|[0-9a-f]{32}/g, "ID");

for (const { name, request, response } of recorded)
  test(`answers as the ingress before us: ${name}`, async () => {
    const parts = request.parts?.map(
      ({ name, filename, content_type, bytes, text }): FormPart => ({
        name,
        filename,
        contentType: content_type,
        body: text ?? Buffer.alloc(bytes, 7),
      }),
    );
    const bodies: Record<string, Buffer> = {
      "json other": Buffer.from('{"other": 1}'),
      "test=test urlencoded": Buffer.from("test=test"),
    };
    const body = parts ? form(parts) : bodies[name];
    const answer = await send(`${ingress.url}${request.path}`, {
      method: request.method,
      headers: {
        ...(request.headers as Record<string, string>),
        ...(request.identity && {
          "x-rh-identity": Buffer.from(JSON.stringify(request.identity)).toString("base64"),
        }),
      },
      body,
    });
    assert.equal(answer.status, response.status);
    assert.equal(withoutMadeIds(answer.body), withoutMadeIds(response.body));
    for (const [header, value] of Object.entries(response.headers)) {
      if (header === "Content-Length") continue; // ids have another length
      const ours = answer.headers[header.toLowerCase()];
      assert.equal(withoutMadeIds(String(ours)), withoutMadeIds(String(value)), header);
    }
    const given = (request.headers as Record<string, string>)["x-rh-insights-request-id"];
    if (given) assert.equal(answer.headers["x-rh-insights-request-id"], given);
  });

test("an archive is stored with its announcement and its status, or not at all", async () => {
  await empty();
  const content = randomBytes(92_904);
  const cluster = "c25da893-5ba1-4229-9432-c8ec9334c4a0";
  const metadata = '{"custom_metadata":{"gathering_time":"2026-11-27T07:31:46Z"},"unknown":1}';
  const answer = await ingress.upload(
    [archivePart(content), { name: "metadata", filename: "metadata.json", body: metadata }],
    { "x-rh-identity": identity("42", { cluster }), "x-rh-insights-request-id": "one" },
  );
  assert.equal(answer.status, 202);
  const [archive, ...others] = await archives();
  assert.deepEqual(others, []);
  const { object_key, ...rest } = archive ?? {};
  assert.deepEqual(rest, {
    request_id: "one",
    org_id: "42",
    cluster,
    service: "openshift",
    category: "periodic",
    size: "92904",
    sha256: createHash("sha256").update(content).digest("hex"),
    is_kept: true,
    same_as: null,
  });
  const stored = Buffer.concat(await Array.fromAsync(await ingress.store.get(String(object_key))));
  assert.ok(stored.equals(content));
  const messages = await rows(
    database.pool,
    "select kind, service, status, status_msg from upload_message order by message_id",
  );
  assert.deepEqual(messages, [
    { kind: "status", service: "ingress", status: "received", status_msg: "Payload received by ingress" },
    { kind: "announcement", service: "openshift", status: null, status_msg: null },
  ]);
  const [{ metadata: kept } = {}] = await rows(database.pool, "select metadata from archive");
  assert.deepEqual(kept, { custom_metadata: { gathering_time: "2026-11-27T07:31:46Z" } });

  await empty();
  await database.pool.query("alter table upload_message add constraint none check (kind <> 'announcement')");
  try {
    assert.equal((await ingress.upload([archivePart(content)])).status, 500);
  } finally {
    await database.pool.query("alter table upload_message drop constraint none");
  }
  assert.deepEqual(await archives(), []);
  assert.equal(await chunks(), "0");
});

test("what is larger than one piece is the same archive", async () => {
  await empty();
  const content = randomBytes(199_999);
  const large = Buffer.concat([content, content.subarray(0, 1)]);
  assert.equal((await ingress.upload([archivePart(large)])).status, 202);
  const [archive] = await archives();
  assert.equal(archive?.size, "200000");
});

test("an upload is one statement and five rows, and another statement for each 256 KiB of a large one", async () => {
  await counted.upload([archivePart("the first one asks for more")]);
  await empty();
  await database.pool.query("delete from graphile_worker._private_jobs");
  statements.length = 0;
  const written = async () =>
    (
      await rows(
        database.pool,
        `select (select count(*) from archive)::integer as archives,
           (select count(*) from archive_chunk)::integer as chunks,
           (select count(*) from upload_message)::integer as messages,
           (select count(*) from wake_up)::integer as wishes,
           (select count(*) from graphile_worker._private_jobs)::integer as jobs`,
      )
    )[0];
  assert.equal((await counted.upload([archivePart(randomBytes(92_904))])).status, 202);
  assert.deepEqual(statements, ["accept_upload"]);
  assert.deepEqual(await written(), { archives: 1, chunks: 1, messages: 2, wishes: 0, jobs: 1 });

  statements.length = 0;
  assert.equal((await counted.upload([archivePart(randomBytes(600_000))])).status, 202);
  assert.deepEqual(statements, ["put_chunk", "put_chunk", "put_chunk", "accept_upload"]);
  assert.deepEqual(await written(), { archives: 2, chunks: 4, messages: 4, wishes: 0, jobs: 1 });
});

test("the same request id again is the same upload", async () => {
  await empty();
  const cluster = "c25da893-5ba1-4229-9432-c8ec9334c4a0";
  const headers = {
    "x-rh-insights-request-id": "again",
    "x-rh-identity": identity("42", { cluster }),
  };
  const first = await ingress.upload([archivePart("first")], headers);
  const second = await ingress.upload([archivePart("second")], headers);
  assert.deepEqual([second.status, second.body], [first.status, first.body]);
  const [archive, ...others] = await archives();
  assert.equal(archive?.size, "5", "the first one counts");
  assert.deepEqual(others, []);
  assert.deepEqual(
    await rows(database.pool, "select count(*) as n from upload_message where kind = 'announcement'"),
    [{ n: "1" }],
  );
  assert.equal(await chunks(), "1");
});

test("what a repeated upload has put into the store is taken out again", async () => {
  await empty();
  const headers = { "x-rh-insights-request-id": "large" };
  for (let times = 0; times < 2; times++) {
    const answer = await counted.upload([archivePart(randomBytes(600_000))], headers);
    assert.equal(answer.status, 202);
  }
  assert.equal(await chunks(), "3");
});

test("uploads with the same id at the same time are one upload", async () => {
  await empty();
  const headers = { "x-rh-insights-request-id": "race" };
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, nth) => ingress.upload([archivePart(`content ${nth}`)], headers)),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  assert.equal((await archives()).length, 1);
  assert.equal(await chunks(), "1");
});

test("an id that somebody else has is replaced, and nothing of his is touched", async () => {
  const clusters = ["c25da893-5ba1-4229-9432-c8ec9334c4a0", "d669cb71-8256-4e8b-a8df-333a5e2dd753"];
  for (const [ours, theirs] of [
    [identity("42"), identity("43")],
    [identity("42", { cluster: clusters[0] as string }), identity("42", { cluster: clusters[1] as string })],
  ] as const) {
    await empty();
    const id = { "x-rh-insights-request-id": "mine" };
    await ingress.upload([archivePart("mine")], { ...id, "x-rh-identity": ours });
    const answer = await ingress.upload([archivePart("theirs!")], { ...id, "x-rh-identity": theirs });
    assert.equal(answer.status, 202);
    const given = answer.headers["x-rh-insights-request-id"];
    assert.match(String(given), /^[0-9a-f]{32}$/);
    assert.equal(JSON.parse(answer.body).request_id, given);
    assert.deepEqual(
      (await archives()).map(({ request_id, size }) => [request_id, size]),
      [
        ["mine", "4"],
        [given, "7"],
      ],
    );
  }
});

test("an id that does not fit into paths is replaced", async () => {
  for (const id of [
    ...["../../x y", "vm/oF0n4z6Yjv-000027", "a".repeat(129), "é", ".", "..", "a b", "a;b", "%2e%2e", ""],
    "'; drop table archive; --",
  ]) {
    const answer = await ingress.upload([archivePart("x")], {
      "x-rh-insights-request-id": Buffer.from(id).toString("latin1"),
    });
    assert.equal(answer.status, 202);
    assert.match(JSON.parse(answer.body).request_id, /^[0-9a-f]{32}$/, id);
  }
  for (const id of ["...", "A-1_2.3", "-", "a".repeat(128)]) {
    const answer = await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": id });
    assert.equal(JSON.parse(answer.body).request_id, id);
  }
});

test("a second archive of an organization with the same content is known as such", async () => {
  await empty();
  for (const [id, org] of [
    ["a", "42"],
    ["b", "42"],
    ["c", "43"],
    ["d", "42"],
  ] as const)
    await ingress.upload([archivePart("same")], {
      "x-rh-insights-request-id": id,
      "x-rh-identity": identity(org),
    });
  assert.deepEqual(
    (await archives()).map(({ request_id, same_as }) => [request_id, same_as]),
    [
      ["a", null],
      ["b", "a"],
      ["c", null],
      ["d", "a"],
    ],
  );
});

test("the file may come first or last, in single bytes, with other parts around it", async () => {
  await empty();
  const parts = [
    { name: "other", filename: "other", contentType: "text/plain", body: "x" },
    { name: "metadata", body: '{"queue_key":"k"}' },
    archivePart("content"),
    archivePart("the second file does not count", "text/plain"),
    { name: "metadata", body: '{"queue_key":"second"}' },
  ];
  const bytes = form(parts, { end: `--XBOUNDARYX--\r\nepilogue` });
  const answer = await send(ingress.url + upload, {
    headers: { "content-type": formType, "x-rh-identity": identity() },
    body: (async function* () {
      for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
    })(),
  });
  assert.equal(answer.status, 202);
  const found = await rows(database.pool, "select size, metadata from archive");
  assert.deepEqual(found, [{ size: "7", metadata: { queue_key: "k" } }]);
});

test("a file may have any name, and its type any parameters; a form may have a hundred parts", async () => {
  await empty();
  for (const filename of ["日本.tar.gz", "é.tar.gz", "a b;c.tar.gz", "../../x", "x".repeat(5_000)]) {
    const type = `${openshift}; name=${JSON.stringify(filename.slice(0, 20))}`;
    const answer = await ingress.upload([{ ...archivePart("x", type), filename }]);
    assert.equal(answer.status, 202, filename);
    const [found] = await rows(
      database.pool,
      "select content_type from archive order by archive_id desc limit 1",
    );
    assert.equal(found?.content_type, type);
  }
  const others = Array.from({ length: 99 }, (_, nth) => ({ name: `other ${nth}`, body: "x" }));
  assert.equal((await ingress.upload([...others, archivePart("x")])).status, 202);
});

test("a form of endless parts is answered before it has ended", async () => {
  await empty();
  const answered = Promise.withResolvers<void>();
  const answer = await send(ingress.url + upload, {
    headers: { "content-type": formType, "x-rh-identity": identity() },
    body: (async function* () {
      yield form([archivePart("x")], { end: "" });
      yield Buffer.from("--XBOUNDARYX\r\n\r\n\r\n".repeat(1_000));
      await answered.promise; // it would go on for ever
    })(),
  });
  assert.deepEqual([answer.status, answer.body], [400, "File or upload field not found"]);
  answered.resolve();
  assert.deepEqual(await archives(), []);
});

test("who asks first whether to upload is asked to go on, and may send chunks", async () => {
  const bytes = form([archivePart("content")]);
  const head = [
    ...[`POST ${upload} HTTP/1.1`, "Host: x", "Connection: close", `Content-Type: ${formType}`],
    ...[`x-rh-identity: ${identity()}`, "Transfer-Encoding: chunked", "Expect: 100-continue"],
  ];
  const socket = connect(Number(new URL(ingress.url).port), "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text) => {
    if (answer === "") {
      for (let at = 0; at < bytes.length; at += 7) {
        const chunk = bytes.subarray(at, at + 7);
        socket.write(`${chunk.length.toString(16)}\r\n${chunk.toString("latin1")}\r\n`);
      }
      socket.write("0\r\n\r\n");
    }
    answer += text;
  });
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  await once(socket, "end");
  assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202 Accepted\r\n/);
});

test("an empty archive is taken, and so is one that is none", async () => {
  for (const content of ["", "no archive at all"])
    assert.equal((await ingress.upload([archivePart(content)])).status, 202);
});

test("each wrong request has its answer, and leaves nothing behind", async () => {
  await empty();
  const notFound = [400, "File or upload field not found"] as const;
  const file = archivePart("content");
  /** A file with this disposition, behind these headers. */
  const part = (disposition: string, type: string, before = "X: y") =>
    `--XBOUNDARYX\r\n${before}\r\nContent-Disposition: ${disposition}; name="file"; filename="x"\r\n` +
    `Content-Type: ${type}\r\n\r\ncontent\r\n--XBOUNDARYX--\r\n`;
  const long = "y".repeat(17 * 1024);
  const many = Array.from({ length: 50 }, (_, nth) => `X-${nth}: y`).join("\r\n");
  const nameless = "--XBOUNDARYX\r\n\r\n\r\n";
  const cases: [string, Buffer | undefined, readonly [number, string], Record<string, string>?][] = [
    ["no part", form([]), notFound],
    ["other name", form([{ ...file, name: "files" }]), notFound],
    ["no name", form([{ filename: "x", contentType: openshift, body: "x" }]), notFound],
    ["a plain value", form([{ name: "file", contentType: openshift, body: "x" }]), notFound],
    ["no body", undefined, notFound],
    ["no boundary", form([file]), notFound, { "content-type": "multipart/form-data" }],
    ["another boundary", form([file]), notFound, { "content-type": "multipart/form-data; boundary=y" }],
    ["no content type", form([file]), notFound, { "content-type": "" }],
    ["a content type that is none", form([file]), notFound, { "content-type": "/;;" }],
    ["no form", Buffer.from("hello"), notFound, { "content-type": "text/plain" }],
    ["another multipart", form([file]), notFound, { "content-type": formType.replace("form-data", "mixed") }],
    ["an endless boundary", form([file]), notFound, { "content-type": `${formType}${"x".repeat(9_000)}` }],
    ["an attachment", form([], { end: part("attachment", openshift) }), notFound],
    ["a header too large", form([], { end: part("form-data", openshift, `X: ${long}`) }), notFound],
    ["too many headers", form([], { end: part("form-data", openshift, many) }), notFound],
    ["no header", form([], { end: "--XBOUNDARYX\r\n\r\nx\r\n--XBOUNDARYX--\r\n" }), notFound],
    ["too many parts before the file", form([...Array(100).fill({ name: "a", body: "x" }), file]), notFound],
    ["and behind it", form([file, ...Array(100).fill({ name: "a", body: "x" })]), notFound],
    ["parts without a name", Buffer.concat([Buffer.from(nameless.repeat(100)), form([file])]), notFound],
    ["cut in the headers", Buffer.from("--XBOUNDARYX\r\nContent-Dis"), notFound],
    ["cut in the file", form([file], { end: "" }).subarray(0, -5), notFound],
    ["cut behind the file", form([file], { end: "" }), notFound],
    ["a field test", form([{ name: "test", body: "test" }]), notFound],
    [
      "too much of a test",
      Buffer.from(`test=test&x=${"x".repeat(2_000)}`),
      notFound,
      {
        "content-type": "application/x-www-form-urlencoded",
      },
    ],
    ["no type", form([archivePart("x", null)]), [415, ""]],
    ["another type", form([archivePart("x", "application/json")]), [415, ""]],
    ["gzip of old clients without charset", form([archivePart("x", "application/x-gzip")]), [415, ""]],
    ["no category", form([archivePart("x", "application/vnd.redhat.openshift")]), [415, ""]],
    ["another service", form([archivePart("x", "application/vnd.redhat.none.x")]), [415, ""]],
    [
      "a byte too large",
      form([archivePart(Buffer.alloc(200_001))]),
      [413, "File exceeds maximum file size (200000) for upload: 200001"],
    ],
    [
      "much too large",
      form([archivePart(Buffer.alloc(390_000))]),
      [413, "File exceeds maximum file size (200000) for upload: 390000"],
    ],
  ];
  for (const [name, body, [status, text], headers] of cases) {
    const answer = await send(ingress.url + upload, {
      headers: { "content-type": formType, "x-rh-identity": identity(), ...headers },
      body,
    });
    assert.deepEqual([answer.status, answer.body], [status, text], name);
  }
  const identities: [string, string][] = [
    ["", "missing x-rh-identity header"],
    ["no base64!", "unable to b64 decode x-rh-identity header"],
    ["abc", "unable to b64 decode x-rh-identity header"],
    [Buffer.from("{").toString("base64"), "x-rh-identity header does not contain valid JSON"],
    [Buffer.from("[]").toString("base64"), "x-rh-identity header does not contain valid JSON"],
    [identity("42", { org_id: 42 }), "x-rh-identity header does not contain valid JSON"],
    [identity(""), "x-rh-identity header has an invalid or missing org_id"],
    [identity("42a"), "x-rh-identity header has an invalid or missing org_id"],
    [identity("9".repeat(19)), "x-rh-identity header has an invalid or missing org_id"],
    [identity("42", { type: "" }), "x-rh-identity header is missing type"],
  ];
  for (const [header, why] of identities) {
    const answer = await ingress.upload([file], { "x-rh-identity": header });
    assert.deepEqual([answer.status, answer.body], [400, `Bad Request: ${why}\n`]);
  }
  assert.deepEqual(await archives(), []);
  assert.equal(await chunks(), "0");
});

test("an organization only in identity.internal is taken from there", async () => {
  await empty();
  await ingress.upload([archivePart("x")], {
    "x-rh-identity": identity("", { internal: { org_id: "77" }, account_number: "" }),
  });
  assert.deepEqual(
    (await archives()).map(({ org_id }) => org_id),
    ["77"],
  );
});

test("metadata that does not conform, or that no table takes, is left out as a whole", async () => {
  const key = (value: unknown) => JSON.stringify({ display_name: "x", custom_metadata: value });
  const cases: [string, unknown][] = [
    ["no json", null],
    ["[]", null],
    [key({ a: 1 }), null],
    [key("text"), null],
    ['{"display_name":"\\u0000"}', null],
    ['{"display_name":"\\ud800"}', null],
    ["null", {}],
    ["{}", {}],
    ['{"display_name":null,"ip_addresses":[]}', {}],
    [key({ a: "\\u0000" }), { display_name: "x", custom_metadata: { a: "\\u0000" } }],
    [`{"display_name":"${"x".repeat(1024 * 1024)}"}`, null],
  ];
  for (const [body, expected] of cases) {
    await empty();
    const answer = await ingress.upload([archivePart("x"), { name: "metadata", body }]);
    assert.equal(answer.status, 202, body.slice(0, 50));
    const [found] = await rows(database.pool, "select metadata from archive");
    assert.deepEqual(found?.metadata, expected, body.slice(0, 50));
  }
});

test("a client that goes away in the middle leaves nothing behind", async () => {
  await empty();
  const { port } = new URL(ingress.url);
  const socket = connect(Number(port), "127.0.0.1");
  const head = [
    `POST ${upload} HTTP/1.1`,
    "Host: x",
    `Content-Type: ${formType}`,
    `x-rh-identity: ${identity()}`,
    "Content-Length: 1000000",
  ].join("\r\n");
  socket.write(`${head}\r\n\r\n`);
  socket.write(form([archivePart(Buffer.alloc(100_000))], { end: "" }));
  await new Promise((resolve) => socket.write("", resolve));
  socket.destroy();
  // the process still takes uploads, and forgets the one that was cut
  assert.equal((await ingress.upload([archivePart("x")])).status, 202);
  await until("one object is there", async () => (await chunks()) === "1");
});

test("a client that sends far too much is answered before it has ended", async () => {
  await empty();
  const answered = Promise.withResolvers<void>();
  const parts = form([archivePart(Buffer.alloc(600_000))], { end: "" });
  const answer = await send(ingress.url + upload, {
    headers: { "content-type": formType, "x-rh-identity": identity(), connection: "keep-alive" },
    body: (async function* () {
      yield parts;
      await answered.promise; // it would go on for ever
    })(),
  });
  assert.equal(answer.status, 413);
  assert.equal(answer.headers.connection, "close");
  const [, size] = /^File exceeds maximum file size \(200000\) for upload: (\d+)$/.exec(answer.body) ?? [];
  assert.ok(Number(size) > 400_000 && Number(size) <= 600_000, answer.body);
  answered.resolve();
  assert.equal(await chunks(), "0");
});

test("a large archive that is too large, or whose form is cut behind it, leaves nothing behind", async () => {
  await empty();
  for (const size of [2_000_001, 3_000_000]) {
    const answer = await counted.upload([archivePart(Buffer.alloc(size))]);
    const text = `File exceeds maximum file size (2000000) for upload: ${size}`;
    assert.deepEqual([answer.status, answer.body], [413, text]);
  }
  const cut = await send(counted.url + upload, {
    headers: { "content-type": formType, "x-rh-identity": identity() },
    body: form([archivePart(Buffer.alloc(600_000))], { end: "" }),
  });
  assert.equal(cut.status, 400);
  assert.deepEqual(await archives(), []);
  assert.equal(await chunks(), "0");
});

test("what may have been recorded after all stays in the store until the sweep knows", async () => {
  await empty();
  await database.pool.query("alter table upload_message add constraint none check (kind <> 'announcement')");
  try {
    assert.equal((await counted.upload([archivePart(randomBytes(600_000))])).status, 500);
  } finally {
    await database.pool.query("alter table upload_message drop constraint none");
  }
  assert.deepEqual(await archives(), []);
  assert.equal(await chunks(), "3");
  await empty();
});

test("a store that cannot be opened is opened again with the next upload", async () => {
  assert.equal((await openedLate.upload([archivePart("x")])).status, 500);
  assert.equal((await openedLate.upload([archivePart("x")])).status, 202);
});

test("a cluster is known by its id in small letters, and by nothing that is no UUID", async () => {
  await empty();
  for (const cluster of ["C25DA893-5BA1-4229-9432-C8EC9334C4A0", "my cluster", ""])
    await ingress.upload([archivePart("x")], { "x-rh-identity": identity("42", { cluster }) });
  assert.deepEqual(
    (await archives()).map(({ cluster }) => cluster),
    ["c25da893-5ba1-4229-9432-c8ec9334c4a0", null, null],
  );
});

test("a store that does not take an archive is a failure of ours, and nothing is announced", async () => {
  await empty();
  for (const [ingress, size] of [
    [withoutStore, 10],
    [withoutStore, 199_999],
    [withoutStoreForLarge, 1_000_000],
  ] as const) {
    const answer = await ingress.upload([archivePart(Buffer.alloc(size))]);
    assert.deepEqual([answer.status, answer.body], [500, ""]);
  }
  assert.deepEqual(await archives(), []);
  assert.equal((await ingress.upload([archivePart("x")])).status, 202);
});

test("who finds the process busy is asked to come back, and a test of the connection is answered", async () => {
  const go = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const bytes = form([archivePart("slow")]);
  const headers = { "content-type": formType, "x-rh-identity": identity() };
  const slow = send(busy.url + upload, {
    headers,
    body: (async function* () {
      yield bytes.subarray(0, 50);
      begun.resolve();
      await go.promise;
      yield bytes.subarray(50);
    })(),
  });
  await begun.promise;
  const refused = await until("it is busy", async () => {
    const answer = await busy.upload([archivePart("x")]);
    return answer.status === 503 && answer;
  });
  assert.equal((refused || undefined)?.headers["retry-after"], "60");
  assert.equal((await send(`${busy.url}${upload}?test=test`, { headers })).status, 200);
  go.resolve();
  assert.equal((await slow).status, 202);
  assert.equal((await busy.upload([archivePart("x")])).status, 202);
});

test("both paths answer the same, a test of the connection stores nothing", async () => {
  await empty();
  const headers = { "x-rh-identity": identity() };
  for (const api of ["/api/ingress/v1", "/r/insights/platform/ingress/v1"]) {
    const root = await send(`${ingress.url}${api}/`, { method: "GET", headers });
    assert.deepEqual([root.status, root.body], [200, "lubdub"]);
    const version = await send(`${ingress.url}${api}/version`, { method: "GET" });
    assert.deepEqual(Object.keys(JSON.parse(version.body)), ["version", "commit"]);
    const openapi = await send(`${ingress.url}${api}/openapi.json`, { method: "GET" });
    assert.match(JSON.parse(openapi.body).openapi, /^3\./);
    for (const [path, type, body] of [
      ["/upload?test=test", formType, form([])],
      ["/upload", "application/x-www-form-urlencoded", Buffer.from("a=b&test=test")],
      ["/upload", "application/json", Buffer.from('\n{ "test" : "test" } ')],
    ] as const) {
      const answer = await send(`${ingress.url}${api}${path}`, {
        headers: { ...headers, "content-type": type },
        body,
      });
      assert.equal(answer.status, 200);
      assert.deepEqual(JSON.parse(answer.body).upload, { account_number: "6212377", org_id: "42" });
    }
    const denied = { ...headers, "x-rh-identity": identity("666"), "content-type": "application/json" };
    const tested = await send(`${ingress.url}${api}/upload?test=test`, { headers: denied });
    assert.equal(tested.status, 200, "a test is answered before anything is refused");
  }
  assert.deepEqual(await archives(), []);
});

test("whoever may see an upload can ask where it is", async () => {
  await empty();
  await ingress.upload([archivePart("x")], { "x-rh-insights-request-id": "asked" });
  const ask = (id: string, who: string, query = "") =>
    send(`${ingress.url}/api/ingress/v1/track/${id}${query}`, {
      method: "GET",
      headers: { "x-rh-identity": who },
    });
  const latest = await ask("asked", identity());
  assert.equal(latest.status, 200);
  const { date, ...rest } = JSON.parse(latest.body);
  assert.ok(Date.parse(date) > 0);
  assert.deepEqual(rest, {
    status_msg: "Payload received by ingress",
    inventory_id: "",
    service: "ingress",
    status: "received",
  });
  await database.pool.query("select ccx.note_payload_status('asked', 'ccx-analyze', 'error', 'no rule ran')");
  const all = JSON.parse((await ask("asked", identity(), "?verbosity=2")).body);
  assert.deepEqual(
    all.data.map(({ service, status }: Record<string, unknown>) => [service, status]),
    [
      ["ccx-analyze", "error"],
      ["ingress", "received"],
    ],
  );
  assert.equal((await ask("asked", identity("43"))).status, 403);
  assert.equal((await ask("asked", identity("43", { type: "Associate" }))).status, 200);
  assert.equal((await ask("unknown", identity())).status, 404);
  assert.equal((await ask("asked", "")).status, 400);
});
