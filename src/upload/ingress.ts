import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { isSigned } from "../objects/signed_url.ts";
import { archiveIdentity } from "../objects/sql.ts";
import { ObjectMissing, type ObjectStore } from "../objects/store.ts";
import { failsHere, incoming, inSpan, onwardsFromHere, SpanKind } from "../trace/trace.ts";
import { release } from "../version.ts";
import { acceptUpload, type Limits, NotTaken } from "./accept.ts";
import { textOf } from "./form.ts";
import { BadIdentity, type Identity, parseIdentity } from "./identity.ts";
import { countUpload, type Outcome } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import { MuchTooLarge, StoreFailed, TooLarge } from "./receive.ts";
import { requestIdOf } from "./request_id.ts";
import * as sql from "./sql.ts";
import { tracked } from "./track.ts";

export type IngressOptions = {
  pool: Pool;
  /** Opened when the first request comes, by which time there may be a database. */
  openStore: () => Promise<ObjectStore>;
  log: Logger;
  limits: Limits;
  deniedOrgs: readonly string[];
  /** how many uploads this process takes at the same time */
  concurrency: number;
};

const requestIdHeader = "x-rh-insights-request-id";
const plainText = "text/plain; charset=utf-8";

/** How long somebody who finds us busy should stay away, in seconds. */
const comeBackAfter = 60;

/** The least of a body that could be a test of the connection. */
const mostTestBytes = 1024;

declare module "fastify" {
  interface FastifyRequest {
    /** what the upload is known by; of the client where it gave one that fits */
    requestId: string;
  }
}

/**
 * The ingress: takes uploads as the Insights Operator and other clients make them, in the answers that they
 * know (docs/guides/upload.md), says what became of them, and gives archives out to whoever has a signed URL.
 * Registered once for each of the two prefixes that clients use.
 */
export function ingress(options: IngressOptions): FastifyPluginAsync {
  const { pool, log, limits, deniedOrgs, concurrency } = options;
  const store = remembered(options.openStore);
  const prefix = remembered(async () => (await archiveIdentity(pool)).prefix);
  let running = 0;

  const upload = (request: FastifyRequest, reply: FastifyReply) => {
    const came = incoming(request.headers);
    return inSpan("upload", { kind: SpanKind.SERVER, parents: [came] }, () => take(request, reply, came));
  };

  const take = async (request: FastifyRequest, reply: FastifyReply, came: string | undefined) => {
    const began = performance.now();
    const receivedAt = new Date();
    const end = (outcome: Outcome, details: Record<string, unknown> = {}, size?: number) => {
      countUpload(outcome, began, size);
      const ms = Math.round(performance.now() - began);
      const isOurs = outcome === "store_failed" || outcome === "database_failed";
      const level = isOurs ? "error" : size === undefined && outcome !== "test" ? "warn" : "info";
      if (level !== "info") failsHere(outcome);
      log[level]({ requestId: request.requestId, outcome, ...details, ms }, "upload");
    };
    let identity: Identity;
    try {
      identity = identityOf(request);
    } catch (error) {
      end("bad_identity", { error: messageOf(error) });
      throw error;
    }
    const who = { org: identity.orgId, cluster: identity.cluster };
    if (await isConnectionTest(request)) {
      end("test", who);
      return answered(reply, 200, request.requestId, identity);
    }
    if (deniedOrgs.includes(identity.orgId)) {
      end("denied", who);
      return reply.code(403).type(plainText).send("Upload denied. Please contact Red Hat Support.");
    }
    if (running >= concurrency) {
      end("busy", who);
      return reply.code(503).header("retry-after", comeBackAfter).send();
    }
    running++;
    try {
      const accepted = await acceptUpload(
        request.raw,
        {
          ...{ requestId: request.requestId, identity, receivedAt, traceparent: onwardsFromHere(came) },
          userAgent: request.headers["user-agent"],
        },
        { pool, store: await store(), keyPrefix: await prefix(), limits },
      );
      const { request_id, outcome, size, destination, hasMetadata } = accepted;
      request.requestId = request_id;
      end(outcome === "new" ? "accepted" : outcome, { ...who, ...destination, size }, size);
      const isSilentAdvisor = destination.service === "advisor" && !hasMetadata;
      return answered(reply, isSilentAdvisor ? 201 : 202, request_id, identity);
    } catch (error) {
      const [outcome, answer] = failureOf(error);
      end(outcome, { ...who, error: messageOf(causeOf(error)) });
      return answer(reply);
    } finally {
      running--;
    }
  };

  const track = async (request: FastifyRequest, reply: FastifyReply) => {
    const identity = identityOf(request);
    const { requestID } = request.params as { requestID: string };
    const { verbosity } = request.query as { verbosity?: string };
    const said = await sql.trackUpload(pool, requestID);
    const [latest] = said;
    if (latest === undefined) return reply.code(404).send();
    if (identity.type !== "Associate" && latest.org_id !== identity.orgId) return reply.code(403).send();
    return sendJson(reply, 200, tracked(requestID, said, Number(verbosity ?? 0) >= 2));
  };

  const archive = async (request: FastifyRequest, reply: FastifyReply) => {
    const key = (request.params as { "*": string })["*"];
    const { expires, signature } = request.query as { expires?: unknown; signature?: unknown };
    const { secret } = await archiveIdentity(pool);
    if (!isSigned(secret, key, { expires, given: signature, now: new Date() }))
      return reply.code(403).type(plainText).send("the URL is not ours, or has expired\n");
    const found = await sql.archiveOf(pool, key);
    try {
      if (!found?.is_kept) throw new ObjectMissing(key);
      const content = await (await store()).get(key);
      reply.type("application/gzip").header("content-length", found.size).header("cache-control", "no-store");
      return reply.send(content);
    } catch (error) {
      if (error instanceof ObjectMissing)
        return reply.code(404).type(plainText).send("the archive is gone\n");
      throw error;
    }
  };

  return async (app: FastifyInstance) => {
    app.removeAllContentTypeParsers();
    // handlers read bodies themselves, as they come
    app.addContentTypeParser("*", (_request, _body, done) => done(null, undefined));
    app.decorateRequest("requestId", "");
    app.addHook("onRequest", async (request) => {
      request.requestId = requestIdOf(request.headers[requestIdHeader]);
    });
    app.addHook("onSend", async (request, reply) => {
      reply.header(requestIdHeader, request.requestId);
    });
    app.addHook("onClose", async () => (await store.opened())?.close());
    app.setNotFoundHandler((_request, reply) => notFound(reply));
    app.setErrorHandler((error, request, reply) => {
      if (error instanceof BadIdentity)
        return reply
          .code(400)
          .type(plainText)
          .header("x-content-type-options", "nosniff")
          .send(`Bad Request: ${error.message}\n`);
      // a content type that is none is no form's
      if ((error as { code?: string }).code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") return noFile(reply);
      const { statusCode = 500 } = error as { statusCode?: number };
      if (statusCode >= 500)
        log.error({ requestId: request.requestId, error: messageOf(error) }, "an HTTP request failed");
      return reply.code(statusCode).send();
    });

    app.post("/upload", upload);
    app.get("/", async (request, reply) => {
      identityOf(request);
      return reply.type(plainText).send("lubdub");
    });
    app.get("/version", async (_request, reply) => sendJson(reply, 200, { version: release, commit: "" }));
    app.get("/openapi.json", async (_request, reply) => sendJson(reply, 200, openApi));
    app.get("/track/:requestID", track);
    app.get("/archive/*", archive);
    for (const [url, allow] of [
      ["/upload", "POST"],
      ["/", "GET"],
      ["/version", "GET"],
      ["/openapi.json", "GET"],
      ["/track/:requestID", "GET"],
      ["/archive/*", "GET"],
    ] as const)
      app.route({
        method: ["DELETE", "PATCH", "PUT", "OPTIONS", allow === "POST" ? "GET" : "POST"],
        url,
        handler: async (_request, reply) => reply.code(405).header("allow", allow).send(),
      });
  };
}

/** What is asked for once and kept; asked again when it failed. */
function remembered<T>(ask: () => Promise<T>): (() => Promise<T>) & { opened: () => Promise<T | undefined> } {
  let asked: Promise<T> | undefined;
  const get = () => {
    asked ??= ask().catch((error) => {
      asked = undefined;
      throw error;
    });
    return asked;
  };
  return Object.assign(get, { opened: async () => asked?.catch(() => undefined) });
}

const identityOf = (request: FastifyRequest): Identity => {
  const header = request.headers["x-rh-identity"];
  return parseIdentity(typeof header === "string" ? header : undefined);
};

/** Clients test the way here with `test=test`, in the query or as a form, or with `{"test": "test"}`. */
async function isConnectionTest(request: FastifyRequest): Promise<boolean> {
  if ((request.query as { test?: unknown }).test === "test") return true;
  const type = request.headers["content-type"] ?? "";
  if (type === "application/json") {
    const body = await textOf(request.raw, mostTestBytes);
    return body !== undefined && /^\s*\{\s*"test"\s*:\s*"test"\s*\}\s*$/.test(body);
  }
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return false;
  const body = await textOf(request.raw, mostTestBytes);
  return body !== undefined && new URLSearchParams(body).get("test") === "test";
}

const sendJson = (reply: FastifyReply, status: number, body: unknown): FastifyReply =>
  reply
    .code(status)
    .header("content-type", "application/json")
    .send(Buffer.from(JSON.stringify(body)));

const answered = (reply: FastifyReply, status: number, requestId: string, { account, orgId }: Identity) =>
  sendJson(reply, status, {
    request_id: requestId,
    upload: { ...(account !== "" && { account_number: account }), org_id: orgId },
  });

const notFound = (reply: FastifyReply): FastifyReply =>
  reply.code(404).type(plainText).header("x-content-type-options", "nosniff").send("404 page not found\n");

const noFile = (reply: FastifyReply): FastifyReply =>
  reply.code(400).type(plainText).send("File or upload field not found");

const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? error.cause : error;

/** What became of an upload that was not accepted, and its answer. */
function failureOf(error: unknown): [Outcome, (reply: FastifyReply) => FastifyReply] {
  if (error instanceof NotTaken) {
    if (error.why !== "no_file") return [error.why, (reply) => reply.code(415).send()];
    return ["no_file", noFile];
  }
  if (error instanceof TooLarge || error instanceof MuchTooLarge) {
    const { limit, size } = error;
    return [
      "too_large",
      (reply) => {
        if (error instanceof MuchTooLarge) reply.header("connection", "close");
        const text = `File exceeds maximum file size (${limit}) for upload: ${size}`;
        return reply.code(413).type(plainText).send(text);
      },
    ];
  }
  if (error instanceof StoreFailed) return ["store_failed", (reply) => reply.code(500).send()];
  return ["database_failed", (reply) => reply.code(500).send()];
}
