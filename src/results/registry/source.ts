import type { Config } from "../../config/config.ts";
import { ConfigurationError } from "../../errors.ts";
import { getWhole, Refusal } from "../../http/get_whole.ts";
import type { RegistryVersion } from "../sql.ts";
import { maxRegistryBytes } from "./lines.ts";

/** Where the registry of clusters is given out. */
export type RegistrySource = { url: string; token: string | undefined; timeoutMs: number };

/** The source that is configured; undefined when none is. */
export function registrySourceOf(config: Config & { registryUrl: string }): RegistrySource;
export function registrySourceOf(config: Config): RegistrySource | undefined;
export function registrySourceOf({
  registryUrl: url,
  registryToken: token,
  registryTimeoutMs: timeoutMs,
}: Config): RegistrySource | undefined {
  return url === undefined ? undefined : { url, token, timeoutMs };
}

/** What lines and tables call it: without the query of its URL. */
export function nameOf({ url }: RegistrySource): string {
  const { origin, pathname } = new URL(url);
  return `registry ${origin}${pathname}`;
}

/**
 * Asks for the whole registry, or, where a version is known, whether it has changed since that version: null
 * means that it has not. One GET of 128 MiB at most, no retry, no redirect. `stop` ends it early.
 *
 * @throws ConfigurationError, one line that names the source and the reason
 */
export async function fetchRegistry(
  source: RegistrySource,
  known: RegistryVersion,
  stop?: AbortSignal,
): Promise<{ body: Buffer; version: RegistryVersion } | null> {
  const { url, token, timeoutMs } = source;
  const asked = {
    accept: "text/csv, text/plain;q=0.5, */*;q=0.1",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(known.etag !== null && { "if-none-match": known.etag }),
    ...(known.last_modified !== null && { "if-modified-since": known.last_modified }),
  };
  try {
    const limits = { timeoutMs, maxBytes: maxRegistryBytes };
    const { status, headers, body } = await getWhole(new URL(url), asked, limits, stop);
    if (status === 304) return null;
    if (/^\s*<(!doctype|html)/i.test(body.toString("latin1", 0, 100)))
      throw new Refusal("answers with HTML, not with CSV");
    return {
      body,
      version: { etag: headers.etag ?? null, last_modified: headers["last-modified"] ?? null },
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new ConfigurationError(`${nameOf(source)}: ${error.message}`, { cause: error.cause });
  }
}
