import { z } from "zod";
import { DeliveryError } from "../../errors.ts";
import { createAgent, type HttpLimits, type HttpRequest } from "../../http/client.ts";
import { quotable } from "../../text/clean.ts";
import type { AccessTokenSource } from "./access_token.ts";
import { type Answer, checkedUrl, exchange, parsed, retryAfterMs } from "./http.ts";

export interface ServiceLogOptions extends HttpLimits {
  /** Full endpoint, e.g. `https://api.openshift.com/api/service_logs/v1/cluster_logs/`. */
  url: string;
  /** Closed by its owner, not by the client. */
  tokens: Pick<AccessTokenSource, "get" | "invalidate">;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
}

const name = "Service Log";
const entrySchema = z.object({ id: z.string().min(1) });
const listSchema = z.object({
  items: z.array(z.object({ id: z.string().min(1), event_stream_id: z.string().optional() })),
});
const refusalSchema = z.object({ reason: z.string() });

/** Refusals of the request itself: malformed, too large, not valid. */
const ownStatuses = new Set([400, 413, 422]);

/** Whether a refusal speaks of a field of what was sent, as `cluster_uuid` or `summary`. */
function namesField(said: string, entry: Record<string, unknown>): boolean {
  return Object.keys(entry).some((field) => new RegExp(`(?<!\\w)${field}(?!\\w)`, "i").test(said));
}

/** The same failure, of an entry that was not posted. */
export function notStored(error: unknown): unknown {
  if (!(error instanceof DeliveryError)) return error;
  const { reason, message, permanent, retryAfterMs, cause } = error;
  return new DeliveryError(reason, message, { permanent, retryAfterMs, cause, notStored: true });
}

/**
 * The Service Log of OCM. It has no idempotency key, so a post that failed by "timeout", "network" or
 * "server" may have been stored: `search` before posting again. Each HTTP exchange has `timeoutMs`; a call
 * makes at most two, plus at most two of the token source. Contract: reference/anchors.md §2.8.
 */
export class ServiceLogClient {
  readonly #options: ServiceLogOptions;
  readonly #url: URL;
  readonly #agent;
  readonly #now: () => number;

  /** @throws ConfigurationError when the URL cannot be used. */
  constructor(options: ServiceLogOptions) {
    this.#options = options;
    this.#url = checkedUrl(options.url, name);
    this.#agent = createAgent(options);
    this.#now = options.now ?? Date.now;
  }

  /**
   * Posts one entry. Returns the receiver's id for it; null when it was stored but the answer could not be
   * read. The request is part of the trace that `traceparent` names.
   *
   * @throws DeliveryError: "auth", "rate_limited", "client", "server", "timeout", "network".
   */
  async post(entry: Record<string, unknown>, traceparent?: string | null): Promise<{ id: string | null }> {
    const { answer, token } = await this.#authorized(this.#url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(traceparent && { traceparent }) },
      body: JSON.stringify(entry),
    });
    if (answer.status !== 201) throw this.#refused(answer, token, entry);
    const stored = entrySchema.safeParse(parsed(answer.text));
    return { id: stored.success ? stored.data.id : null };
  }

  /**
   * The id of the entry with this `event_stream_id`, or null when there is none.
   *
   * @throws DeliveryError like `post`; the account needs the permission to list.
   */
  async search(eventStreamId: string): Promise<string | null> {
    const url = new URL(this.#url);
    url.searchParams.set("search", `event_stream_id='${eventStreamId.replaceAll("'", "''")}'`);
    const { answer, token } = await this.#authorized(url, { method: "GET", headers: {} });
    if (answer.status !== 200) throw this.#refused(answer, token);
    const list = listSchema.safeParse(parsed(answer.text));
    if (!list.success)
      throw new DeliveryError("server", `The ${name} answered a search with something else.`);
    // A receiver that ignores `search` lists strangers' entries: they must not count as ours.
    return list.data.items.find((item) => item.event_stream_id === eventStreamId)?.id ?? null;
  }

  /** Ends the connections; waits for what is under way. */
  close(): Promise<void> {
    return this.#agent.close();
  }

  /** One exchange; a refused token is replaced and the exchange repeated, once. */
  async #authorized(url: URL, what: HttpRequest): Promise<{ answer: Answer; token: string }> {
    const first = await this.#exchange(url, what);
    if (first.answer.status !== 401) return first;
    this.#options.tokens.invalidate(first.token);
    return this.#exchange(url, what);
  }

  async #exchange(url: URL, what: HttpRequest): Promise<{ answer: Answer; token: string }> {
    const token = await this.#options.tokens.get().catch((error: unknown) => {
      throw notStored(error);
    });
    const headers = { ...what.headers, authorization: `Bearer ${token}` };
    return { answer: await exchange(this.#agent, url, { ...what, headers }, this.#options, name), token };
  }

  /**
   * What an answer other than success means. Only 400, 413, 422 and what names a field of the entry are about
   * the entry; any other refusal is about the address, the way to it, or who asks, and would meet every
   * entry.
   */
  #refused(
    { status, text, retryAfter }: Answer,
    token: string,
    entry: Record<string, unknown> = {},
  ): DeliveryError {
    const refusal = refusalSchema.safeParse(parsed(text));
    const said = refusal.success ? quotable(refusal.data.reason.replaceAll(token, "[token]")) : "";
    const what = `The ${name} answered HTTP ${status}${said && `: ${said}`}`;
    const wait = { retryAfterMs: retryAfterMs(retryAfter, this.#now()) };
    const refusedOnly = { ...wait, notStored: true };
    // Permissions can be granted without touching the notification.
    if (status === 401 || status === 403) return new DeliveryError("auth", what, refusedOnly);
    if (status === 429) return new DeliveryError("rate_limited", what, refusedOnly);
    if (status === 408) return new DeliveryError("timeout", what, wait);
    // Not 201 but success: something between us and the receiver answered in its place. Nothing says that the
    // entry was refused, nor that it was stored, so it is the other side's fault and worth a search and a
    // retry.
    if (status < 300 || status >= 500) {
      const asksForTime = status === 503 && wait.retryAfterMs !== undefined;
      return new DeliveryError("server", what, asksForTime ? refusedOnly : wait);
    }
    const isOwn = status >= 400 && (ownStatuses.has(status) || namesField(said, entry));
    return isOwn
      ? new DeliveryError("client", what, { permanent: true, notStored: true, tooLarge: status === 413 })
      : new DeliveryError("server", what, refusedOnly);
  }
}
