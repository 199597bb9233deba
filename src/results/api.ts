import { randomUUID } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { asOrganization } from "../db/as_organization.ts";
import { codeOf, troubleOf } from "../db/errors.ts";
import type { Answering, Reader } from "../db/reader.ts";
import { type Db, hasWritten } from "../db/rows.ts";
import { messageOf } from "../errors.ts";
import type { HttpRoom } from "../http/server.ts";
import type { Logger } from "../log.ts";
import { sendBody } from "./answer.ts";
import { type Asker, askerOf, isNameless, type Networks } from "./identity.ts";
import { readBody, readParams, readQuery } from "./input.ts";
import { countAnswer } from "./metrics.ts";
import { type Operation, Refused, type Reply } from "./operation.ts";
import type { Body } from "./sql.ts";

/** What the API needs, whatever it serves. */
export type ResultsOptions = {
  pool: Pool;
  /** Where what only asks (GET) goes; without one, all goes to `pool`. */
  reader?: Reader;
  /** Connections to cancel statements with. */
  canceller: Pool;
  log: Logger;
  trustedPeers: Networks;
  /** Organizations that see the vendor's own rules. */
  internalOrganizations: ReadonlySet<string>;
  timeoutMs: number;
};

/** A set of operations below a prefix. */
export type Api = {
  prefix: string;
  operations: readonly Operation[];
  /** Served to everybody, as they are: path → type and body. */
  documents: Readonly<Record<string, { type: string; body: string }>>;
  /** What nobody without an identity gets: 403, or 401 as the aggregator says it. */
  unknownCaller: 401 | 403;
  /**
   * A request of a trusted peer that names nobody is for the organization and the user in its path, as with
   * an aggregator without `auth`.
   */
  believesPath?: boolean;
};

/** A list of 10,000 clusters is 400 KB. */
const largestBody = 512 * 1024;
const retryAfterSeconds = 5;
/** How many seconds old an answer is at most, where a standby gave it. */
const ageHeader = "x-ccx-age-seconds";
const longestRequestId = 128;

const idHeaders = ["x-rh-insights-request-id", "x-request-id"];

/** The id of a request: its own where it has one that can be printed, else a new one. */
function idOf(request: FastifyRequest): string {
  const given = idHeaders.map((name) => request.headers[name]).find((id) => typeof id === "string");
  return typeof given === "string" && given.length <= longestRequestId && /^[\w.:-]+$/.test(given)
    ? given
    : randomUUID().replaceAll("-", "");
}

/** Serves an API as a room of the HTTP server. */
export function serveApi(options: ResultsOptions, api: Api): HttpRoom {
  return {
    prefix: api.prefix,
    async plugin(server) {
      server.removeAllContentTypeParsers();
      // whatever a client calls it: the body is JSON, or it is wrong
      server.addContentTypeParser(
        "*",
        { parseAs: "buffer", bodyLimit: largestBody },
        (_request, body, done) => done(null, body),
      );
      const began = new WeakMap<FastifyRequest, number>();
      const ids = new WeakMap<FastifyRequest, string>();
      server.addHook("onRequest", async (request, reply) => {
        began.set(request, performance.now());
        const id = idOf(request);
        ids.set(request, id);
        reply.header("x-request-id", id);
      });
      server.addHook("onResponse", async (request, reply) => {
        const operation = request.routeOptions.config.url === undefined ? "unknown" : nameOf(request);
        const path = request.routeOptions.url?.replaceAll(/:(\w+)/g, "{$1}") ?? "";
        countAnswer(operation, reply.statusCode, began.get(request) ?? performance.now(), path);
        options.log.debug({ request_id: ids.get(request), operation, status: reply.statusCode }, "answered");
      });
      server.setErrorHandler((error, request, reply) =>
        sendError(request, reply, error, { ...options, api, requestId: ids.get(request) }),
      );
      server.setNotFoundHandler((request, reply) => unknownPath(request, reply, api));
      for (const operation of api.operations) addRoute(server, operation, { ...options, api });
      for (const [path, { type, body }] of Object.entries(api.documents))
        server.get(path, { config: { operation: "document" } }, (request, reply) =>
          sendBody(request, reply, { status: 200, body, type }),
        );
    },
  };
}

type ApiOptions = ResultsOptions & { api: Api };

const nameOf = (request: FastifyRequest): string =>
  String((request.routeOptions.config as { operation?: string }).operation ?? "unknown");

function addRoute(server: FastifyInstance, operation: Operation, options: ApiOptions): void {
  server.route({
    method: operation.method,
    url: operation.path.replaceAll(/\{(\w+)\}/g, ":$1"),
    bodyLimit: largestBody,
    config: { operation: operation.id },
    handler: async (request, reply) => {
      const { answer, params, ageSeconds } = await answerTo(request, operation, options);
      if (ageSeconds !== undefined) reply.header(ageHeader, ageSeconds.toFixed(1));
      if ("status" in answer) return sendBody(request, reply, answer);
      if (answer.body !== null) return sendBody(request, reply, { status: 200, body: answer.body });
      const missing = operation.missing({ params } as never);
      return sendBody(request, reply, { status: 404, body: missing });
    },
  });
}

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

async function answerTo(
  request: FastifyRequest,
  operation: Operation,
  options: ApiOptions,
): Promise<{ answer: Reply | Body; params: Record<string, unknown>; ageSeconds?: number | undefined }> {
  const asker = operation.isOpen ? nobody : await callerOf(request, operation, options);
  const params = readParams(operation, request.params as Record<string, string>);
  const query = readQuery(operation, request.query);
  const body = readBody(operation, (await unparsed(request)) ?? (request.body as Buffer | undefined));
  const asked = {
    who: { ...asker, seesInternal: options.internalOrganizations.has(asker.orgId) },
    ...{ params, query, body, userAgent: request.headers["user-agent"] ?? "" },
  };
  const answer = (db: Db) => operation.answer({ ...asked, db } as never);
  if (operation.isOpen) return { answer: await answer(options.pool), params };
  const gone = new AbortController();
  const leave = () => gone.abort(new Refused(499, "the client is gone"));
  request.raw.socket.once("close", leave);
  const { reader } = options;
  const errand = { organization: asker.orgId, signal: gone.signal, ...options };
  try {
    if (reader && operation.method === "GET")
      return await reader.read(async ({ pool, canceller, ageSeconds }: Answering) => ({
        ...{ params, ageSeconds },
        answer: await asOrganization(pool, { ...errand, ...(canceller && { canceller }) }, async (db) =>
          answer(db),
        ),
      }));
    let wrote = false;
    const answered = await asOrganization(options.pool, errand, async (db) => {
      const made = await answer(db);
      if (reader) wrote = await hasWritten(db);
      return made;
    });
    if (wrote) reader?.wrote();
    return { params, answer: answered };
  } finally {
    request.raw.socket.removeListener("close", leave);
  }
}

/** The body of a GET, which fastify does not read; undefined where there is none. */
async function unparsed(request: FastifyRequest): Promise<Buffer | undefined> {
  if (request.method !== "GET" || !hasBody(request)) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.raw as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody) throw new Refused(413, "the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Whose request this is; throws Refused. */
async function callerOf(request: FastifyRequest, operation: Operation, options: ApiOptions): Promise<Asker> {
  const peer = peerOf(request);
  if (options.api.believesPath && isNameless(peer, options.trustedPeers)) {
    const { organization, user_id } = readParams(operation, request.params as Record<string, string>);
    if (organization !== undefined)
      return { orgId: String(organization), userId: user_id === undefined ? "0" : String(user_id) };
  }
  return askerOf(peer, options.trustedPeers, options.pool);
}

const nobody: Asker = { orgId: "0", userId: "0" };

const peerOf = (request: FastifyRequest) => ({
  headers: request.headers,
  peer: request.raw.socket.remoteAddress,
  // true only where a certificate was asked for and checked
  isCertified: (request.raw.socket as Partial<TLSSocket>).authorized === true,
});

/** What an error is for the one who asked: never a stack trace, never what the database said. */
function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  { log, api, requestId }: { log: Logger; api: Api; requestId: string | undefined },
): Promise<FastifyReply> {
  const [status, text] = meaningOf(error, api.unknownCaller);
  if (status >= 500)
    log.warn({ request_id: requestId, error: messageOf(error), code: codeOf(error) }, "a request failed");
  if (status === 503) reply.header("retry-after", String(retryAfterSeconds));
  return sendBody(request, reply, { status, body: { status: text } });
}

function meaningOf(error: unknown, unknownCaller: 401 | 403): [status: number, text: string] {
  if (error instanceof Refused) {
    const isCaller = error.status === 403 && isAboutIdentity.test(error.message);
    return [isCaller ? unknownCaller : error.status, error.message];
  }
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === 413) return [413, "the body is too large"];
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return [statusCode, messageOf(error)];
  switch (troubleOf(error)) {
    case "away":
    case "in_the_way":
    case "setup":
      return [503, "The database is unreachable"];
    case "of_the_work":
      return [503, "The answer takes too long"];
    default:
      return [500, "Internal Server Error"];
  }
}

const isAboutIdentity = /token|identity/;

const pathsOf = new WeakMap<Api, { methods: Set<string>; path: RegExp }[]>();

/** What a path that is no operation means: another method, a slash too many, or nothing. */
function unknownPath(
  request: FastifyRequest,
  reply: FastifyReply,
  api: Api,
): Promise<FastifyReply> | FastifyReply {
  let known = pathsOf.get(api);
  if (!known) {
    const byPath = Map.groupBy(api.operations, ({ path }) => path.replaceAll(/\{\w+\}/g, "[^/]+"));
    known = [...byPath].map(([path, operations]) => ({
      path: new RegExp(`^${path.replace(/\/$/, "/?")}$`),
      methods: new Set(operations.map(({ method }) => method)),
    }));
    pathsOf.set(api, known);
  }
  const [whole = "", query] = request.raw.url?.split("?") ?? [];
  const path = whole.slice(api.prefix.length);
  const methods = known.filter((one) => one.path.test(path)).flatMap((one) => [...one.methods]);
  if (methods.length > 0) {
    reply.header("allow", [...new Set(["OPTIONS", ...methods])].join(", "));
    return request.method === "OPTIONS"
      ? sendBody(request, reply, { status: 200, body: { status: "ok" } })
      : reply.code(405).send();
  }
  const bare = path.replace(/\/+$/, "");
  if (bare !== path && known.some((one) => one.path.test(bare)))
    return reply.redirect(`${api.prefix}${bare}${query === undefined ? "" : `?${query}`}`, 301);
  return reply.code(404).type("text/plain; charset=utf-8").send("404 page not found\n");
}
