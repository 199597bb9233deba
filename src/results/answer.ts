import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";

const compressed = promisify(gzip);
const json = "application/json; charset=utf-8";
/** What is shorter is sent as it is. */
const worthwhile = 1_400;

/**
 * Sends a body: a text as it is, anything else as JSON, undefined as none. What is read again and has not
 * changed is answered by 304 without a body.
 */
export async function sendBody(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, body, type = json }: { status: number; body: unknown; type?: string },
): Promise<FastifyReply> {
  reply.code(status).header("cache-control", "private, no-cache").header("vary", "accept-encoding");
  if (body === undefined) return reply.send();
  const text = typeof body === "string" ? body : JSON.stringify(body);
  reply.header("content-type", type);
  if (status === 200 && (request.method === "GET" || request.method === "HEAD")) {
    const tag = `W/"${createHash("sha1").update(text).digest("base64url")}"`;
    reply.header("etag", tag);
    if (matches(request.headers["if-none-match"], tag))
      return reply.code(304).removeHeader("content-type").send();
  }
  if (text.length < worthwhile || !takesGzip(request.headers["accept-encoding"])) return reply.send(text);
  return reply.header("content-encoding", "gzip").send(await compressed(text));
}

function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const known = header.split(",").map((one) => one.trim().replace(/^W\//, ""));
  return known.includes("*") || known.includes(tag.slice(2));
}

function takesGzip(header: string | string[] | undefined): boolean {
  const offers = String(header ?? "")
    .toLowerCase()
    .split(",");
  return offers.some((offer) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/.test(offer));
}
