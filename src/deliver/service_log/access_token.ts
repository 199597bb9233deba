import { z } from "zod";
import { DeliveryError } from "../../errors.ts";
import { createAgent, type HttpLimits } from "../../http/client.ts";
import { type Answer, checkedUrl, exchange, parsed, retryAfterMs } from "./http.ts";

export interface AccessTokenOptions extends HttpLimits {
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
}

/** A token is given up this long before it expires, but never before half of its life. */
const marginMs = 30_000;
const defaultLifetimeMs = 5 * 60_000;
const name = "token server";

const grantSchema = z.object({
  // Printable ASCII: anything else could not be sent as a header.
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  // not needed: what is no number of seconds, as a number or in digits, counts as missing
  expires_in: z.coerce.number().positive().optional().catch(undefined),
});
const refusalSchema = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/) });
const expirySchema = z.object({ exp: z.number().positive() });

/**
 * Tokens for the Service Log by OAuth 2 client credentials, as OCM gives them: id and secret by HTTP Basic, the
 * secret never in the form. One token is shared until shortly before it expires, and concurrent callers share
 * one request. Neither the secret nor a token appears in an error. Own code: a client library (oauth4webapi)
 * leaves all of that to its caller, and refuses answers that are good enough for us.
 */
export class AccessTokenSource {
  readonly #options: AccessTokenOptions;
  readonly #url: URL;
  readonly #agent;
  readonly #now: () => number;
  #current: { token: string; useUntil: number } | undefined;
  #pending: Promise<string> | undefined;

  /** @throws ConfigurationError when the URL cannot be used. */
  constructor(options: AccessTokenOptions) {
    this.#options = options;
    this.#url = checkedUrl(options.tokenUrl, name);
    this.#agent = createAgent(options);
    this.#now = options.now ?? Date.now;
  }

  /**
   * A token that is good for now.
   *
   * @throws DeliveryError, never permanent: "auth" when refused, "rate_limited", "server", "network", "timeout".
   */
  get(): Promise<string> {
    if (this.#current && this.#now() < this.#current.useUntil) return Promise.resolve(this.#current.token);
    this.#pending ??= this.#request().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /** Says that `token` was refused. Only the token in use is dropped, so many refusals of it cost one request. */
  invalidate(token: string): void {
    if (this.#current?.token === token) this.#current = undefined;
  }

  /** Ends the connections; waits for what is under way. */
  close(): Promise<void> {
    return this.#agent.close();
  }

  async #request(): Promise<string> {
    const { clientId, clientSecret } = this.#options;
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      scope: "openid",
    });
    const answer = await exchange(
      this.#agent,
      this.#url,
      {
        method: "POST",
        headers: {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        body: form.toString(),
      },
      this.#options,
      name,
    );
    if (answer.status !== 200) throw this.#refused(answer);
    const grant = grantSchema.safeParse(parsed(answer.text));
    // The schema's own error would carry the token: it is not attached.
    if (!grant.success) throw new DeliveryError("server", `The ${name} answered without a usable token.`);
    const { access_token: token, expires_in: lifetime } = grant.data;
    const now = this.#now();
    const lifetimeMs = lifetime === undefined ? lifetimeOf(token, now) : lifetime * 1000;
    this.#current = { token, useUntil: now + Math.max(lifetimeMs - marginMs, lifetimeMs / 2) };
    return token;
  }

  #refused({ status, text, retryAfter }: Answer): DeliveryError {
    const refusal = refusalSchema.safeParse(parsed(text));
    // Only the error code of RFC 6749 §5.2 is quoted: longer texts may repeat what we sent.
    const code =
      refusal.success && refusal.data.error !== this.#options.clientSecret ? refusal.data.error : "";
    const what = `The ${name} gave no token: HTTP ${status}${code && ` (${code})`}.`;
    const wait = { retryAfterMs: retryAfterMs(retryAfter, this.#now()) };
    if (status === 429) return new DeliveryError("rate_limited", what, wait);
    // Credentials can be put right without touching the notification: refused is not for ever.
    return status >= 500 ? new DeliveryError("server", what, wait) : new DeliveryError("auth", what);
  }
}

/** The rest of a JWT's life by its `exp`; five minutes for any other token. Read, not verified: it is our own. */
function lifetimeOf(token: string, now: number): number {
  const claims = expirySchema.safeParse(
    parsed(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()),
  );
  return claims.success ? Math.max(0, claims.data.exp * 1000 - now) : defaultLifetimeMs;
}
