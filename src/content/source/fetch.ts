import type { Config } from "../../config/config.ts";
import { getWhole, Refusal } from "../../http/get_whole.ts";
import { readAnswer } from "./answer.ts";
import { ContentError } from "./error.ts";
import { maxTotalBytes } from "./files.ts";
import { decodeGob } from "./gob/gob.ts";
import { GobError } from "./gob/reader.ts";
import type { SourceContent } from "./refused.ts";

/** A content service. */
export type ContentSource = {
  url: string;
  /** For the whole exchange, connecting included. */
  timeoutMs: number;
};

/** The content service that is configured; undefined when none is. */
export function contentSourceOf(config: Config & { contentUrl: string }): ContentSource;
export function contentSourceOf(config: Config): ContentSource | undefined;
export function contentSourceOf({ contentUrl, contentTimeoutMs }: Config): ContentSource | undefined {
  return contentUrl === undefined ? undefined : { url: contentUrl, timeoutMs: contentTimeoutMs };
}

/** What lines and tables call a content service: without the query of its URL. */
export function nameOf({ url }: ContentSource): string {
  const { origin, pathname } = new URL(url);
  return `content service ${origin}${pathname}`;
}

/**
 * Asks a content service for all rule content: one GET, no retry, no redirect, 50 MiB at most. The answer is
 * Go's gob, as the Insights content service gives it, or JSON if it says so. `stop` ends it early.
 *
 * Throws ContentError, one line that names the service (without the query of its URL) and the reason.
 */
export async function fetchContent(source: ContentSource, stop?: AbortSignal): Promise<SourceContent> {
  const url = new URL(source.url);
  const name = nameOf(source);
  try {
    return readAnswer(decoded(await get(url, source.timeoutMs, stop)));
  } catch (error) {
    if (error instanceof Refusal || error instanceof ContentError)
      throw new ContentError(name, error.message, { cause: error.cause });
    throw error;
  }
}

async function get(url: URL, timeoutMs: number, stop?: AbortSignal): Promise<{ body: Buffer; type: string }> {
  const accept = "application/octet-stream, application/json;q=0.5, */*;q=0.1";
  const { headers, body } = await getWhole(url, { accept }, { timeoutMs, maxBytes: maxTotalBytes }, stop);
  return { body, type: (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "" };
}

function decoded({ body, type }: { body: Buffer; type: string }): unknown {
  const start = body.toString("latin1", 0, 100).trimStart();
  if (type === "text/html" || /^<(!doctype|html)/i.test(start))
    throw new Refusal("answers with HTML, not with rule content");
  return type === "application/json" ? decodedJson(body) : decodedGob(body);
}

function decodedGob(body: Buffer): unknown {
  try {
    return decodeGob(body);
  } catch (cause) {
    if (!(cause instanceof GobError)) throw cause;
    throw new Refusal(`the answer is not valid gob: ${cause.message}`, { cause });
  }
}

function decodedJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new Refusal("the answer is not valid JSON", { cause });
  }
}
