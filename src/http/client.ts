import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool, request } from "undici";
import { ConfigurationError } from "../errors.ts";
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

/** A stand-in on this machine is never behind a proxy. */
const neverProxied = "localhost,127.0.0.1,[::1]";

/**
 * Connections of one receiver; the caller closes it. None goes to a forbidden address, whatever DNS says by
 * then. HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment count, in either case; the proxy's own
 * address is looked at in the same way. What it connects to is its affair, but a URL with a forbidden host is
 * refused before it is asked.
 * @throws ConfigurationError when a proxy is no URL, ForbiddenAddress when it has a forbidden address
 */
export function createAgent(
  limits: Pick<HttpLimits, "connectTimeoutMs">,
  env: Record<string, string | undefined> = process.env,
): Dispatcher {
  const connectTo = buildConnector({ timeout: limits.connectTimeoutMs, lookup: guardedLookup });
  const options: Agent.Options = {
    connect: (options, callback) =>
      // an address is not looked up
      isForbiddenHost(options.hostname)
        ? callback(new ForbiddenAddress(options.hostname), null)
        : connectTo(options, callback),
    // The time of the whole exchange is bounded by its signal, in `send`.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const [http, https, none] = ["http_proxy", "https_proxy", "no_proxy"].map(
    (name) => env[name] || env[name.toUpperCase()] || undefined,
  );
  if (http === undefined && https === undefined) return new Agent(options);
  if ([http, https].some((url) => url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? "")))
    throw new ConfigurationError("HTTPS_PROXY and HTTP_PROXY have to be http(s):// URLs of a proxy.");
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: http ?? "",
    httpsProxy: https ?? "",
    noProxy: none === "*" ? none : [neverProxied, none].filter(Boolean).join(","),
    proxyTls: { timeout: limits.connectTimeoutMs, lookup: guardedLookup } as buildConnector.BuildOptions,
    clientFactory: (origin, given) => {
      if (isForbiddenHost(origin.hostname)) throw new ForbiddenAddress(origin.hostname);
      return new Pool(origin, given);
    },
  });
}

/**
 * So many bytes of a body may wait for their reader: all that anybody reads. A body that is paused when its
 * server closes the connection (`Connection: close`) would end the process: undici 7 asserts that none is.
 * undici 8 does not, but needs a newer Node.
 */
const unpaused = ({ maxResponseBytes }: Pick<HttpLimits, "maxResponseBytes">): number =>
  maxResponseBytes + 1024 * 1024;

/**
 * Sends one request and reads the answer, whatever its status; redirects are answers, not followed. `stop`
 * ends it early.
 *
 * @throws NoAnswer
 */
export async function send(
  agent: Dispatcher,
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
      highWaterMark: unpaused(limits),
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

/**
 * Asks for a URL and hands the body of the answer over as it comes, whatever its status; redirects are
 * answers, not followed. The caller reads the body to its end, or destroys it once it has more than
 * `limits.maxResponseBytes`. `limits.timeoutMs` counts for all of it, and `stop` ends it early: the body
 * fails then.
 *
 * @throws NoAnswer
 */
export async function open(
  agent: Dispatcher,
  url: URL,
  limits: Pick<HttpLimits, "timeoutMs" | "maxResponseBytes">,
  stop: AbortSignal,
): Promise<{ status: number; body: Readable; timeout: AbortSignal }> {
  const timeout = AbortSignal.timeout(limits.timeoutMs);
  try {
    const answer = await request(url, {
      dispatcher: agent,
      signal: AbortSignal.any([timeout, stop]),
      method: "GET",
      highWaterMark: unpaused(limits),
    });
    return { status: answer.statusCode, body: answer.body, timeout };
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
