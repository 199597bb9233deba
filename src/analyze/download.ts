import type { Dispatcher } from "undici";
import { NoAnswer, open } from "../http/client.ts";
import { isForbiddenHost } from "../http/guard.ts";
import { ArchiveError } from "./failures.ts";
import { type ArchiveLimits, type Files, type Unpacking, unpack } from "./unpack.ts";

/** A place that archives may be fetched from. */
export type AllowedHost = {
  /** As URL.hostname writes it; `*.` before it: every host below it. */
  hostname: string;
  /** Undefined: any. */
  port?: string | undefined;
  /** Also without TLS. */
  plainHttp: boolean;
};

export type Fetching = {
  agent: Dispatcher;
  allowed: readonly AllowedHost[];
  /** For the whole of it, unpacking included. */
  timeoutMs: number;
  limits: ArchiveLimits;
};

/**
 * Fetches an archive and unpacks it while it comes. Only hosts that are allowed are asked, none of them by
 * another's redirect.
 * @throws ArchiveError, or whatever ended it when `stop` is aborted
 */
export async function fetchArchive(
  address: string,
  { agent, allowed, timeoutMs, limits }: Fetching,
  wanted: Unpacking,
  stop: AbortSignal,
): Promise<Files> {
  const url = permitted(address, allowed);
  const answer = await open(agent, url, { timeoutMs, maxResponseBytes: limits.maxBytes }, stop).catch(
    (error) => {
      throw unanswered(error, url, timeoutMs, stop);
    },
  );
  const { status, body, timeout } = answer;
  if (status !== 200) {
    body.on("error", () => undefined).destroy();
    throw refusal(status, url);
  }
  try {
    return await unpack(body, limits, wanted);
  } catch (error) {
    if (timeout.aborted) throw tooSlow(timeoutMs, error);
    // a disk of ours that is full, for example, is no fault of the other side
    if (error instanceof ArchiveError || stop.aborted || !body.errored) throw error;
    throw new ArchiveError("broken_off", "the archive broke off while it was fetched", error);
  }
}

function permitted(address: string, allowed: readonly AllowedHost[]): URL {
  const url = URL.parse(address);
  const forbid = (why: string) => new ArchiveError("forbidden_url", why);
  if (!url || !/^https?:$/.test(url.protocol)) throw forbid("the URL is not one of http(s)://");
  if (url.username || url.password) throw forbid("the URL has a user name or password");
  if (isForbiddenHost(url.hostname)) throw forbid("the URL is that of a link-local or metadata address");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const host = allowed.find(
    (one) => isBelow(url.hostname, one.hostname) && (one.port === undefined || one.port === port),
  );
  if (!host) throw forbid(`archives may not be fetched from ${url.host}: see CCX_ARCHIVE_HOSTS`);
  if (url.protocol === "http:" && !host.plainHttp)
    throw forbid(`${url.host} may be asked by https:// only: see CCX_ARCHIVE_HOSTS`);
  return url;
}

const isBelow = (hostname: string, allowed: string): boolean =>
  allowed.startsWith("*.") ? hostname.endsWith(allowed.slice(1)) : hostname === allowed;

function refusal(status: number, { host }: URL): ArchiveError {
  const said = `${host} answers ${status}`;
  if (status >= 300 && status < 400)
    return new ArchiveError("redirected", `${said}: redirects are not followed`);
  if (status === 404 || status === 410) return new ArchiveError("not_found", said);
  if (status >= 500 || status === 429 || status === 408) return new ArchiveError("server_error", said);
  return new ArchiveError("refused", said);
}

function unanswered(error: unknown, { host }: URL, timeoutMs: number, stop: AbortSignal): unknown {
  if (stop.aborted || !(error instanceof NoAnswer)) return error;
  if (error.timedOut) return tooSlow(timeoutMs, error);
  const cause = error.cause instanceof Error && "code" in error.cause ? String(error.cause.code) : "";
  if (cause === "FORBIDDEN_ADDRESS")
    return new ArchiveError("forbidden_url", `${host} leads to a link-local or metadata address`, error);
  return new ArchiveError("unreachable", `${host} does not answer${cause && ` (${cause})`}`, error);
}

const tooSlow = (timeoutMs: number, cause: unknown): ArchiveError =>
  new ArchiveError("too_slow", `the archive was not there within ${timeoutMs} ms`, cause);
