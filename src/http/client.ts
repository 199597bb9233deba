import type { IncomingHttpHeaders } from "node:http";
import { Agent, buildConnector, request } from "undici";
import { ForbiddenAddress, guardedLookup, isForbiddenHost } from "./guard.ts";

/** Bounds of one HTTP exchange. */
export interface HttpLimits {
  connectTimeoutMs: number;
  /** From the start of the exchange to the last byte of the answer, connecting included. */
  timeoutMs: number;
  /** An answer longer than this is not read to its end. */
  maxResponseBytes: number;
}

export interface HttpRequest {
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: string;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** The whole body, or why there is none: longer than permitted, broken off, not there in time. */
  body: Buffer | "too long" | "broken off" | "too late";
}

/** No answer came. The request may have been acted on. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
  readonly timedOut: boolean;

  constructor(timedOut: boolean, cause: unknown) {
    super("there is no answer", { cause });
    this.timedOut = timedOut;
  }
}

/**
 * Connections of one receiver; the caller closes it. None goes to a forbidden address, whatever DNS says by
 * then.
 */
export function createAgent(limits: Pick<HttpLimits, "connectTimeoutMs">): Agent {
  const connectTo = buildConnector({ timeout: limits.connectTimeoutMs, lookup: guardedLookup });
  return new Agent({
    connect: (options, callback) =>
      // an address is not looked up
      isForbiddenHost(options.hostname)
        ? callback(new ForbiddenAddress(options.hostname), null)
        : connectTo(options, callback),
    // The time of the whole exchange is bounded by its signal, in `send`.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/**
 * Sends one request and reads the answer, whatever its status; redirects are answers, not followed. `stop`
 * ends it early.
 *
 * @throws NoAnswer
 */
export async function send(
  agent: Agent,
  url: URL,
  { method, headers, body }: HttpRequest,
  limits: HttpLimits,
  stop?: AbortSignal,
): Promise<HttpAnswer> {
  const timeout = AbortSignal.timeout(limits.timeoutMs);
  const signal = stop ? AbortSignal.any([timeout, stop]) : timeout;
  try {
    const answer = await request(url, {
      dispatcher: agent,
      signal,
      method,
      headers,
      body: body ?? null,
    });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: await read(answer.body, limits.maxResponseBytes, timeout),
    };
  } catch (error) {
    throw new NoAnswer(timeout.aborted, error);
  }
}

/** Reads to the end, or gives the connection up: either way nothing is left open. */
async function read(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  timeout: AbortSignal,
): Promise<HttpAnswer["body"]> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > maxBytes) return "too long";
      chunks.push(chunk);
    }
  } catch {
    return timeout.aborted ? "too late" : "broken off";
  }
  return Buffer.concat(chunks);
}
