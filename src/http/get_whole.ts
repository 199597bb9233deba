import { createAgent, type HttpAnswer, NoAnswer, send } from "./client.ts";

/** Why there is no answer that can be used; it completes the sentence that begins with the service's name. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** What comes whole and plain: with 200, or 304 where a condition was set. */
export type Whole = { status: number; headers: HttpAnswer["headers"]; body: Buffer };

/**
 * One GET, no retry, no redirect, no compression. `stop` ends it early. 304 is an answer only to a request
 * with a condition.
 *
 * @throws Refusal
 */
export async function getWhole(
  url: URL,
  headers: Record<string, string>,
  { timeoutMs, maxBytes }: { timeoutMs: number; maxBytes: number },
  stop?: AbortSignal,
): Promise<Whole> {
  const limits = { connectTimeoutMs: timeoutMs, timeoutMs, maxResponseBytes: maxBytes };
  const agent = createAgent(limits);
  const request = { method: "GET" as const, headers: { ...headers, "accept-encoding": "identity" } };
  try {
    const answer = await send(agent, url, request, limits, stop);
    const isConditional = "if-none-match" in headers || "if-modified-since" in headers;
    return whole(answer, isConditional, timeoutMs, maxBytes);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const code = error.cause instanceof Error && "code" in error.cause ? ` (${error.cause.code})` : "";
    throw new Refusal(
      error.timedOut ? `does not answer within ${timeoutMs} ms` : `cannot be reached${code}`,
      {
        cause: error.cause,
      },
    );
  } finally {
    await agent.destroy();
  }
}

function whole(
  { status, headers, body }: HttpAnswer,
  isConditional: boolean,
  timeoutMs: number,
  maxBytes: number,
): Whole {
  const unchanged = status === 304 && isConditional;
  if (status >= 300 && status < 400 && !unchanged)
    throw new Refusal(`answers with HTTP ${status}, a redirect, which is not followed`);
  if (status !== 200 && !unchanged) throw new Refusal(`answers with HTTP ${status}`);
  if (body === "too long") throw new Refusal(`answers with more than ${maxBytes / 1024 / 1024} MiB`);
  if (body === "broken off") throw new Refusal("breaks off in the middle of its answer");
  if (body === "too late") throw new Refusal(`does not end its answer within ${timeoutMs} ms`);
  const encoding = [headers["content-encoding"] ?? "identity"].join();
  if (encoding !== "identity") throw new Refusal(`answers compressed (${encoding}), which was not asked for`);
  return { status, headers, body };
}
