import type { Dispatcher } from "undici";
import { ConfigurationError, DeliveryError } from "../../errors.ts";
import { type HttpLimits, type HttpRequest, NoAnswer, send } from "../../http/client.ts";
import { urlProblem } from "../../http/guard.ts";

export interface Answer {
  status: number;
  retryAfter: string | undefined;
  /** Null when the body was too long, broke off or did not come in time. */
  text: string | null;
}

const timeoutCodes = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT",
]);

/** Errors after which not one byte of the request can have arrived. */
const unreachedCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** @throws ConfigurationError when no request of ours may go to `url`. */
export function checkedUrl(url: string, name: string): URL {
  const problem = urlProblem(url);
  if (problem) throw new ConfigurationError(`The URL of the ${name} has to be ${problem}.`);
  return new URL(url);
}

/** Why no answer came: "timeout" or "network", never permanent. */
export function unanswered(name: string, error: unknown, timedOut = false): DeliveryError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const options = { cause: error, notStored: unreachedCodes.has(code) };
  return timedOut || timeoutCodes.has(code)
    ? new DeliveryError("timeout", `The ${name} did not answer in time.`, options)
    : new DeliveryError("network", `The ${name} could not be reached${code && ` (${code})`}.`, options);
}

/**
 * Sends one request and reads the answer, whatever its status; redirects are answers, not followed.
 *
 * @throws DeliveryError "timeout" or "network" when there is no answer. The request may have been acted on.
 */
export async function exchange(
  agent: Dispatcher,
  url: URL,
  what: HttpRequest,
  limits: HttpLimits,
  name: string,
): Promise<Answer> {
  const headers = { accept: "application/json", ...what.headers };
  try {
    const answer = await send(agent, url, { ...what, headers }, limits);
    const retryAfter = answer.headers["retry-after"];
    return {
      status: answer.status,
      retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      text: typeof answer.body === "string" ? null : answer.body.toString("utf8"),
    };
  } catch (error) {
    throw error instanceof NoAnswer ? unanswered(name, error.cause, error.timedOut) : error;
  }
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
 * `Retry-After` in milliseconds from now, at most a day; undefined when it is neither seconds nor an HTTP
 * date (RFC 9110 §10.2.3).
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  // The shapes are checked because Date.parse reads almost anything, "-5" included.
  const isDate = /^[A-Z][a-z]+,? /.test(value);
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : isDate ? Date.parse(value) - now : Number.NaN;
  return Number.isNaN(wait) ? undefined : Math.min(longestWaitMs, Math.max(0, wait));
}
