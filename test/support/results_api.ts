import { readFileSync } from "node:fs";
import { type OutgoingHttpHeaders, request } from "node:http";
import { after } from "node:test";
import type { FastifyInstance } from "fastify";
import type { Pool } from "pg";
import { readAnswer } from "../../src/content/source/answer.ts";
import { storeContent } from "../../src/content/source/load.ts";
import { createPool } from "../../src/db/pool.ts";
import { buildServer, type ServerTls, startServer } from "../../src/http/server.ts";
import { ingestBatch } from "../../src/ingest/ingest_batch.ts";
import { portionsOf } from "../../src/ingest/portions.ts";
import { createLogger } from "../../src/log.ts";
import type { Api, ResultsOptions } from "../../src/results/api.ts";
import { networksOf } from "../../src/results/identity.ts";
import { publicApis, resultsRooms } from "../../src/results/rooms.ts";
import type { TestDatabase } from "./database.ts";

const fixture = (name: string) => new URL(`../results/fixture/${name}`, import.meta.url);

/** Messages that were sent to the real program, one a line; some do not conform. */
export const recordedMessages = (): string[] =>
  readFileSync(fixture("messages.ndjson"), "utf8").trimEnd().split("\n");

/** What rules say in the recorded answers. */
const recordedContent = (): unknown => JSON.parse(readFileSync(fixture("content.json"), "utf8"));

/** A request that was sent to the real program, and its answer. */
export type Recorded = {
  name: string;
  request: {
    method: string;
    path: string;
    identity: Record<string, string> | string | null;
    headers: Record<string, string>;
    body: unknown;
  };
  response: { status: number; content_type: string | null; body_text: string | null; body: unknown };
};

/** The requests in the order in which they were sent. */
export const recordedRequests = (): Recorded[] =>
  JSON.parse(readFileSync(fixture("aggregator.json"), "utf8"));

/** Consumes messages as the service does, each in a batch of its own, as they came. */
export async function consume(pool: Pool, messages: readonly string[], from = 0): Promise<void> {
  for (const [nth, text] of messages.entries()) {
    const message = { offset: String(from + nth), key: null, value: Buffer.from(text), headers: {} };
    for (const entries of portionsOf([message], 1, () => new Date("2100-01-01")))
      await ingestBatch(
        pool,
        { topic: "results", partition: 0, highWatermark: String(from + nth + 1) },
        entries,
      );
  }
}

/** Messages with their time moved so that the newest is an hour ago: what is a day old is forgotten, or refused. */
export function madeLately(messages: readonly string[]): string[] {
  return messages.map((text) => text.replaceAll(/2026-11-27T/g, `${yesterday()}T`));
}
const yesterday = () => new Date(Date.now() - 24 * 3_600_000).toISOString().slice(0, 10);

/** Loads the recorded content. */
export async function loadRecordedContent(pool: Pool): Promise<void> {
  await storeContent(pool, readAnswer(recordedContent()), "recorded", true);
}

/** The header by which a gateway says who asks. */
export const identityOf = (orgId: string | number, userId = "u-1"): string =>
  Buffer.from(
    JSON.stringify({ identity: { org_id: String(orgId), account_number: "1", user: { user_id: userId } } }),
  ).toString("base64");

export type Answered = {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON, undefined where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any;
};

export type Ask = (
  method: string,
  path: string,
  options?: {
    org?: string | number | null;
    user?: string;
    body?: unknown;
    headers?: Record<string, string>;
  },
) => Promise<Answered>;

export type TestApi = {
  ask: Ask;
  /** The same without a socket, which costs a third less: the server is handed the request. */
  inject: Ask;
  /** Where it is. */
  url(): Promise<string>;
};

/** The results API on a database, started with the first request; `given` puts something into it before. */
export function testApi(
  database: TestDatabase,
  options: Partial<ResultsOptions> & {
    apis?: readonly Api[];
    organization?: string;
    given?: (pool: Pool) => Promise<void>;
    tls?: () => ServerTls;
  } = {},
): TestApi {
  const { apis = publicApis, organization = "11", given, tls, ...own } = options;
  let opening: Promise<{ url: string; within: FastifyInstance; close(): Promise<void> }> | undefined;
  const open = async () => {
    await given?.(database.pool);
    const log = createLogger("warn");
    const pool = createPool({ databaseUrl: database.url, size: 4, name: "ccx results test", log });
    const canceller = createPool({ databaseUrl: database.url, size: 1, name: "ccx results test", log });
    const rooms = resultsRooms(
      {
        ...{ pool, canceller, log, timeoutMs: 10_000, internalOrganizations: new Set<string>() },
        trustedPeers: networksOf(["127.0.0.0/8", "::1/128"]),
        ...own,
      },
      apis,
    );
    const server = await startServer({ host: "127.0.0.1", port: 0, routes: {}, rooms, tls: tls?.() }, log);
    const within = await buildServer({ routes: {}, rooms }, log);
    const close = async () => {
      await Promise.all([server.close(), within.close()]);
      await Promise.all([pool.end(), canceller.end()]);
    };
    return { url: `http${tls ? "s" : ""}://127.0.0.1:${server.port}`, within, close };
  };
  const url = async () => {
    opening ??= open();
    return (await opening).url;
  };
  after(async () => (await opening)?.close());
  const sent = ({ org = organization, user, body, headers = {} }: Parameters<Ask>[2] = {}) => ({
    text: typeof body === "string" || body === undefined ? body : JSON.stringify(body),
    headers: { ...(org !== null && { "x-rh-identity": identityOf(org, user) }), ...headers },
  });
  const ask: Ask = async (method, path, options) => {
    const { text, headers } = sent(options);
    return exchange(method, `${await url()}${path}`, text, headers);
  };
  const inject: Ask = async (method, path, options) => {
    await url();
    const { text, headers } = sent(options);
    const { within } = (await opening) as { within: FastifyInstance };
    const answer = await within.inject({
      method: method as "GET",
      url: path,
      headers: { ...headers, ...lengthOf(text) },
      ...(text !== undefined && { payload: text }),
    });
    return answered(answer.statusCode, answer.headers, answer.payload);
  };
  return { ask, inject, url };
}

const lengthOf = (body: string | undefined) =>
  body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };

function answered(status: number, headers: OutgoingHttpHeaders, text: string): Answered {
  const received = new Headers();
  for (const [name, value] of Object.entries(headers)) received.set(name, String(value));
  return { status, headers: received, text, json: parsed(text) };
}

/** One exchange, without following redirects; with a body also where `fetch` refuses to send one. */
async function exchange(
  method: string,
  url: string,
  body: string | undefined,
  headers: Record<string, string>,
): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const sent = request(url, { method, headers: { ...headers, ...lengthOf(body) } });
  sent.on("error", reject);
  sent.on("response", async (response) => {
    try {
      const text = Buffer.concat(await Array.fromAsync(response)).toString("utf8");
      resolve(answered(response.statusCode ?? 0, response.headers, text));
    } catch (error) {
      reject(error);
    }
  });
  sent.end(body);
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
