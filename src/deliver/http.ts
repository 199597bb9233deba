import { Agent, request } from "undici";
import { ConfigurationError, DeliveryError } from "../errors.ts";

/** Bounds of one HTTP exchange. */
export interface HttpLimits {
  connectTimeoutMs: number;
  /** From the start of the exchange to the last byte of the answer, connecting included. */
  timeoutMs: number;
  /** An answer longer than this is not read to its end. */
  maxResponseBytes: number;
}

export interface Answer {
  status: number;
  retryAfter: string | undefined;
  /** Null when the body was too long, broke off or did not come in time. */
  text: string | null;
}

export interface Exchange {
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: string;
}

const timeoutCodes = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT",
]);

/** Connections of one receiver; the caller closes it. */
export function createAgent(limits: HttpLimits): Agent {
  // The time of the whole exchange is bounded by its signal, in `exchange`.
  return new Agent({ connect: { timeout: limits.connectTimeoutMs }, headersTimeout: 0, bodyTimeout: 0 });
}

/** @throws ConfigurationError when `url` is not an absolute http(s) URL. */
export function checkedUrl(url: string, name: string): URL {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new ConfigurationError(`The URL of the ${name} must start with http:// or https://.`);
  }
  return parsed;
}

/** Why no answer came: "timeout" or "network", never permanent. */
export function unanswered(name: string, error: unknown, timedOut = false): DeliveryError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return timedOut || timeoutCodes.has(code)
    ? new DeliveryError("timeout", `The ${name} did not answer in time.`, { cause: error })
    : new DeliveryError("network", `The ${name} could not be reached${code && ` (${code})`}.`, {
        cause: error,
      });
}

/**
 * Sends one request and reads the answer, whatever its status; redirects are answers, not followed.
 *
 * @throws DeliveryError "timeout" or "network" when there is no answer. The request may have been acted on.
 */
export async function exchange(
  agent: Agent,
  url: URL,
  what: Exchange,
  limits: HttpLimits,
  name: string,
): Promise<Answer> {
  const signal = AbortSignal.timeout(limits.timeoutMs);
  try {
    const { statusCode, headers, body } = await request(url, {
      dispatcher: agent,
      signal,
      method: what.method,
      headers: { accept: "application/json", ...what.headers },
      body: what.body ?? null,
    });
    const retryAfter = headers["retry-after"];
    return {
      status: statusCode,
      retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      text: await read(body, limits.maxResponseBytes),
    };
  } catch (error) {
    throw unanswered(name, error, signal.aborted);
  }
}

/** Reads to the end, or gives the connection up: either way nothing is left open. */
async function read(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > maxBytes) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Parses JSON; undefined when there is no text or it is not JSON. */
export function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const longestWaitMs = 24 * 60 * 60_000;

/**
 * `Retry-After` in milliseconds from now, at most a day; undefined when it is neither seconds nor an HTTP date
 * (RFC 9110 §10.2.3).
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  // The shapes are checked because Date.parse reads almost anything, "-5" included.
  const isDate = /^[A-Z][a-z]+,? /.test(value);
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : isDate ? Date.parse(value) - now : Number.NaN;
  return Number.isNaN(wait) ? undefined : Math.min(longestWaitMs, Math.max(0, wait));
}
