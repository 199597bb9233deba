import { randomUUID } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { type AcceptedEntry, acceptedEntrySchema } from "../../src/deliver/service_log/contract.ts";
import { parsed } from "../../src/deliver/service_log/http.ts";

/** What to do with the next request instead of the usual answer. Only the second line keeps the entry. */
export type Behaviour =
  | ({ status: number; headers?: Record<string, string>; body?: unknown } | "hang" | "drop")
  | ("store-and-hang" | "store-and-drop" | "answer-and-drop" | "oversized" | "half-body");

export interface ReceivedEntry {
  id: string;
  body: AcceptedEntry;
  receivedAt: Date;
  headers: IncomingHttpHeaders;
}

export interface ServiceLogReceiverOptions {
  /** 0, the default: any free port. */
  port?: number;
  clientId?: string;
  clientSecret?: string;
  tokenLifetimeSeconds?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export type ServiceLogReceiver = Awaited<ReturnType<typeof startServiceLogReceiver>>;

const path = "/api/service_logs/v1/cluster_logs";
const tokenPath = "/auth/realms/redhat-external/protocol/openid-connect/token";
const mostBytes = 1024 * 1024;

/** An answer other than success, which goes into the books as unexpected. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/**
 * Starts a stand-in for the OCM Service Log and its token server on 127.0.0.1, over real HTTP. It stores
 * entries, answers searches by `event_stream_id`, and records everything a correct client would not send. For
 * the demo and the tests.
 */
export async function startServiceLogReceiver(options: ServiceLogReceiverOptions = {}) {
  const {
    clientId = "ccx",
    clientSecret = "not-a-secret",
    tokenLifetimeSeconds = 900,
    now = Date.now,
  } = options;
  const entries: ReceivedEntry[] = [];
  const unexpected: string[] = [];
  const requests = { posts: 0, searches: 0, tokens: 0 };
  const queued: Record<keyof typeof requests, Behaviour[]> = { posts: [], searches: [], tokens: [] };
  const tokens = new Map<string, number>();
  const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;

  async function read(request: IncomingMessage, wantedType: string): Promise<string> {
    const type = request.headers["content-type"]?.split(";")[0]?.trim();
    if (type !== wantedType)
      throw new Refusal(415, `content type ${type ?? "missing"} instead of ${wantedType}`);
    if (Number(request.headers["content-length"] ?? 0) > mostBytes) throw new Refusal(413, "body too large");
    return text(request);
  }

  function checkToken({ headers }: IncomingMessage): void {
    const [scheme, token = ""] = (headers.authorization ?? "").split(" ");
    const expiry = tokens.get(token);
    if (scheme !== "Bearer") throw new Refusal(401, "authorization missing");
    if (expiry === undefined) throw new Refusal(401, "unknown token");
    if (expiry <= now()) throw new Refusal(401, "expired token");
  }

  async function grant(request: IncomingMessage): Promise<object> {
    const form = new URLSearchParams(await read(request, "application/x-www-form-urlencoded"));
    const wanted = { client_id: clientId, grant_type: "client_credentials", scope: "openid" };
    form.sort();
    if (form.toString() !== new URLSearchParams(wanted).toString()) throw new Refusal(400, "invalid_request");
    if (request.headers.authorization !== basic) throw new Refusal(401, "invalid_client");
    const exp = Math.floor(now() / 1000) + tokenLifetimeSeconds;
    const parts = [{ alg: "none" }, { exp, jti: randomUUID() }].map((part) => JSON.stringify(part));
    const token = `${parts.map((part) => Buffer.from(part).toString("base64url")).join(".")}.signature`;
    tokens.set(token, exp * 1000);
    return { access_token: token, token_type: "Bearer", expires_in: tokenLifetimeSeconds };
  }

  async function entryOf(request: IncomingMessage): Promise<ReceivedEntry> {
    checkToken(request);
    const body = acceptedEntrySchema.safeParse(parsed(await read(request, "application/json")));
    if (!body.success) throw new Refusal(400, z.prettifyError(body.error).replaceAll(/\s+/g, " "));
    return { id: randomUUID(), body: body.data, receivedAt: new Date(now()), headers: request.headers };
  }

  function list(request: IncomingMessage, url: URL): object {
    checkToken(request);
    const wanted = /^event_stream_id\s*=\s*'([^']+)'$/.exec(url.searchParams.get("search") ?? "")?.[1];
    if (wanted === undefined) throw new Refusal(400, "search by event_stream_id only");
    const items = entries.filter(({ body }) => body.event_stream_id === wanted).map(stored);
    return { kind: "ClusterLogList", page: 1, size: items.length, total: items.length, items };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://receiver");
    const place = url.pathname.replace(/\/$/, "");
    if (place !== path && place !== tokenPath) throw new Refusal(404, "unknown path");
    const kind = place === tokenPath ? "tokens" : request.method === "GET" ? "searches" : "posts";
    if (kind !== "searches" && request.method !== "POST") throw new Refusal(405, "method not allowed");
    requests[kind]++;
    const entry = kind === "posts" ? await entryOf(request) : undefined;
    const usual = entry ? stored(entry) : kind === "tokens" ? await grant(request) : list(request, url);
    const status = entry ? 201 : 200;
    const next = queued[kind].shift();
    if (typeof next === "object") {
      send(response, next.status, next.body ?? errorBody(next.status, "as asked"), next.headers);
    } else if (next === "drop") {
      response.socket?.destroy();
    } else if (next !== "hang") {
      if (entry) entries.push(entry);
      carryOut(next, response, status, usual);
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const { status, message } = error instanceof Refusal ? error : new Refusal(500, String(error));
      unexpected.push(`${request.method} ${request.url}: ${message}`);
      const isToken = request.url?.startsWith(tokenPath) && status < 404;
      send(response, status, isToken ? { error: message } : errorBody(status, message));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async () => {
    if (!server.listening) return;
    const closed = server[Symbol.asyncDispose]();
    server.closeAllConnections();
    await closed;
  };
  return {
    url: base + path,
    tokenUrl: base + tokenPath,
    /** What was stored, in order. */
    entries: entries as readonly ReceivedEntry[],
    /** One sentence per request that a correct client would not have made. */
    unexpected: unexpected as readonly string[],
    /** Requests so far, whatever their answer. */
    requests: requests as Readonly<typeof requests>,
    /** Queue behaviours for the coming posts, searches and token requests. */
    behave: (...next: Behaviour[]) => void queued.posts.push(...next),
    behaveSearch: (...next: Behaviour[]) => void queued.searches.push(...next),
    behaveToken: (...next: Behaviour[]) => void queued.tokens.push(...next),
    /** Drops every connection and resolves when the port is free. */
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function carryOut(how: Behaviour | undefined, response: ServerResponse, status: number, usual: object): void {
  if (how === "store-and-hang") return;
  if (how === "store-and-drop") return void response.socket?.destroy();
  if (how === "half-body") {
    const whole = JSON.stringify(usual);
    response.writeHead(status, { "content-type": "application/json", "content-length": whole.length });
    return void response.write(whole.slice(0, whole.length / 2), () => response.socket?.destroy());
  }
  if (how === "answer-and-drop") response.once("finish", () => response.socket?.destroySoon());
  send(response, status, how === "oversized" ? { ...usual, padding: "x".repeat(4 * mostBytes) } : usual);
}

function stored({ id, body, receivedAt }: ReceivedEntry) {
  return { ...body, id, kind: "ClusterLog", href: `${path}/${id}`, created_at: receivedAt.toISOString() };
}

function errorBody(status: number, reason: string): object {
  const id = String(status);
  const href = `/api/service_logs/v1/errors/${id}`;
  return { kind: "Error", id, href, code: `SERVICE-LOGS-${id}`, reason, operation_id: randomUUID() };
}

function send(response: ServerResponse, status: number, body: unknown, headers: object = {}): void {
  if (response.headersSent) return;
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
