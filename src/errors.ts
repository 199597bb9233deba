/**
 * One class per way a caller can react. Messages are sentences a person can act on;
 * the technical cause is attached as `cause`, never pasted into the message.
 */

/**
 * The person who started the process has to change something: print the message, exit with code 1, no stack
 * trace.
 */
export class ConfigurationError extends Error {
  override name = "ConfigurationError";
}

/**
 * Why a delivery did not succeed; the vocabulary of `notification.failure` in SQL, of logs and of metrics.
 */
export const failureReasons = [
  "schema",
  "auth",
  "rate_limited",
  "client",
  "server",
  "timeout",
  "network",
  "broker",
  "template",
  "unsettled",
] as const;
export type FailureReason = (typeof failureReasons)[number];

/**
 * A delivery that failed. `permanent` means that trying again cannot help; `notStored`, that the receiver
 * certainly does not have the message; `tooLarge`, that a smaller message might get through.
 */
export class DeliveryError extends Error {
  override name = "DeliveryError";
  readonly reason: FailureReason;
  readonly permanent: boolean;
  /** What the receiver asked us to wait, in milliseconds (HTTP `Retry-After`). */
  readonly retryAfterMs: number | undefined;
  readonly notStored: boolean;
  readonly tooLarge: boolean;

  constructor(
    reason: FailureReason,
    message: string,
    options: {
      permanent?: boolean;
      retryAfterMs?: number | undefined;
      notStored?: boolean;
      tooLarge?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.permanent = options.permanent ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.notStored = options.notStored ?? false;
    this.tooLarge = options.tooLarge ?? false;
  }
}

/** The message of anything thrown, and of what caused it, on one line. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || ("code" in error ? String(error.code) : error.name);
  return error instanceof AggregateError && !error.message
    ? error.errors.map(messageOf).join("; ")
    : own.replaceAll(/\s*\n\s*/g, " ");
}
