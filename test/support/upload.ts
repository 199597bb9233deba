import { request } from "node:http";
import { Readable } from "node:stream";
import { after, before } from "node:test";
import { startServer } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { DatabaseStore } from "../../src/objects/database.ts";
import type { ObjectStore } from "../../src/objects/store.ts";
import { type IngressOptions, ingress } from "../../src/upload/ingress.ts";
import type { TestDatabase } from "./database.ts";
import { until } from "./until.ts";

export const boundary = "XBOUNDARYX";

export type FormPart = {
  name?: string;
  filename?: string | null;
  contentType?: string | null;
  body: string | Buffer;
};

/** A form as the bytes of a request. */
export function form(parts: readonly FormPart[], { end = `--${boundary}--\r\n` } = {}): Buffer {
  const bytes = parts.flatMap(({ name, filename, contentType, body }) => {
    const disposition = [
      "form-data",
      ...(name === undefined ? [] : [`name="${name}"`]),
      ...(filename ? [`filename="${filename}"`] : []),
    ].join("; ");
    const type = contentType ? `Content-Type: ${contentType}\r\n` : "";
    return [
      Buffer.from(`--${boundary}\r\nContent-Disposition: ${disposition}\r\n${type}\r\n`),
      Buffer.from(body),
      Buffer.from("\r\n"),
    ];
  });
  return Buffer.concat([...bytes, Buffer.from(end)]);
}

export const openshift = "application/vnd.redhat.openshift.periodic";

/** The file of an upload as the Insights Operator names it. */
export const archivePart = (body: string | Buffer, contentType: string | null = openshift): FormPart => ({
  name: "file",
  filename: "payload.tar.gz",
  contentType,
  body,
});

/** The header x-rh-identity of a cluster. */
export const identity = (
  orgId = "42",
  { cluster, ...more }: { cluster?: string } & Record<string, unknown> = {},
): string =>
  Buffer.from(
    JSON.stringify({
      identity: {
        org_id: orgId,
        account_number: "6212377",
        type: "System",
        ...(cluster && { system: { cluster_id: cluster } }),
        ...more,
      },
    }),
  ).toString("base64");

export type Answered = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
};

export type Sent = {
  method?: string;
  headers?: Record<string, string>;
  /** an iterable goes out in chunks, without a length */
  body?: Buffer | AsyncIterable<Buffer> | undefined;
  /** ends it without an answer */
  signal?: AbortSignal;
};

/** One request on a connection of its own, sent as it is. */
export function send(
  url: string,
  { method = "POST", headers = {}, body, signal }: Sent = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false, ...(signal && { signal }) }, (answer) => {
      const pieces: Buffer[] = [];
      answer
        .on("data", (piece) => pieces.push(piece))
        .once("end", () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: Buffer.concat(pieces).toString(),
          }),
        )
        .once("error", reject);
    });
    sent.once("error", reject);
    if (body === undefined || Buffer.isBuffer(body)) sent.end(body);
    else Readable.from(body, { objectMode: false }).pipe(sent);
  });
}

export const formType = `multipart/form-data; boundary=${boundary}`;

export type Served = {
  url: string;
  /** where it puts archives */
  store: ObjectStore;
  /** Uploads these parts. */
  upload(parts: readonly FormPart[], headers?: Record<string, string>): Promise<Answered>;
};

/** Serves the ingress for the tests of a file, on its database. */
export function servedIngress(
  database: TestDatabase,
  options: Partial<IngressOptions> & { store?: (url: string) => ObjectStore } = {},
): Served {
  const served = {} as Served;
  let close: () => Promise<void>;
  before(async () => {
    const log = createLogger("silent");
    // what comes before a file's tests is not done in any order
    await until("the database is there", () => database.pool !== undefined);
    const plugin = ingress({
      pool: database.pool,
      openStore: async () => served.store,
      log,
      limits: {
        services: ["openshift", "advisor"],
        maxBytes: 200_000,
        maxBytesByService: new Map(),
      },
      deniedOrgs: ["666"],
      concurrency: 100,
      ...options,
    });
    const rooms = ["/api/ingress/v1", "/r/insights/platform/ingress/v1"].map((prefix) => ({
      prefix,
      plugin,
    }));
    const server = await startServer({ host: "127.0.0.1", port: 0, routes: {}, rooms }, log);
    close = server.close;
    served.url = `http://127.0.0.1:${server.port}`;
    served.store = options.store?.(served.url) ?? new DatabaseStore(database.pool, served.url);
  });
  after(() => close());
  served.upload = (parts, headers = {}) =>
    send(`${served.url}/api/ingress/v1/upload`, {
      headers: { "content-type": formType, "x-rh-identity": identity(), ...headers },
      body: form(parts),
    });
  return served;
}
