import { ConfigurationError, messageOf } from "../errors.ts";

const unavailable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "25006", // read-only: a stand-by that is about to take over
  "40001", // serialization failure
  "53100", // disk full
  "53200", // out of memory
  "53300", // too many connections
  "57014", // statement timeout, cancelled by an administrator
  "57P01", // shutting down
  "57P02", // crashed
  "57P03", // starting up
  "58030", // I/O error
]);

/** The SQLSTATE or system error code of whatever `pg` threw. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** True when the database is away or overloaded, so that the same call may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  if (isBeingMigrated(error)) return true;
  if (code !== undefined) return unavailable.has(code) || code.startsWith("08");
  return (
    error instanceof Error && /^(Connection terminated|timeout e|Client has encountered)/i.test(error.message)
  );
}

/**
 * True when a release is being loaded just now, or somebody else's lock is in its way: a deadlock, a lock
 * that could not be had in time, or an object that was replaced while it was looked up or changed. The same
 * call succeeds later.
 */
export function isBeingMigrated(error: unknown): boolean {
  const code = codeOf(error);
  return (
    code === "40P01" ||
    code === "55P03" ||
    (code === "XX000" &&
      /cache lookup failed|could not open relation with OID|tuple concurrently/.test(messageOf(error)))
  );
}

/**
 * True when the database refuses one of the values given, so that trying again cannot help: it cannot hold it
 * (SQLSTATE classes 22 and 54), somebody's constraint or trigger does not want it (23, P0), or somebody's
 * trigger fails.
 */
export function isUnstorable(error: unknown): boolean {
  return ["22", "23", "54", "P0"].includes(codeOf(error)?.slice(0, 2) ?? "") || isFaultOfAnotherObject(error);
}

/**
 * True for what is missing or forbidden inside a function: ours are loaded together, so it is somebody's
 * trigger that calls what has gone, and no sign that nobody migrated.
 */
function isFaultOfAnotherObject(error: unknown): boolean {
  const inside = error instanceof Error && "where" in error && typeof error.where === "string";
  return inside && ["42P01", "42883", "42703", "3F000", "42501"].includes(codeOf(error) ?? "");
}

/**
 * What a person has to change, if that is what the error says; undefined otherwise. `atOnce`: the command
 * does not wait for a database that is away, so that counts as well.
 */
export function asConfigurationError(error: unknown, atOnce = false): ConfigurationError | undefined {
  const advice =
    (isOfPooler(error) ? behindPooler : undefined) ??
    (isFaultOfAnotherObject(error) ? undefined : adviceFor(saidByPooler(error) ?? codeOf(error))) ??
    (error instanceof Error && /SSL|certificate/i.test(error.message)
      ? "The database and DATABASE_URL do not agree on TLS: check sslmode."
      : undefined) ??
    (atOnce && isDatabaseUnavailable(error) ? "The database of DATABASE_URL does not answer." : undefined);
  return advice ? new ConfigurationError(`${advice} (${messageOf(error)})`, { cause: error }) : undefined;
}

/**
 * What a person typed and the database refused, as one line: a rule of ours (class NT,
 * docs/reference/errors.md), or a value of the wrong form (classes 22 and 23). Undefined for any other error.
 */
export function asRefusal(error: unknown): ConfigurationError | undefined {
  const code = codeOf(error);
  return ["NT", "22", "23"].includes(code?.slice(0, 2) ?? "")
    ? new ConfigurationError(messageOf(error), { cause: error })
    : undefined;
}

/** What a person has to know whose DATABASE_URL leads to a pooler. */
export const behindPooler =
  "DATABASE_URL leads through a pooler (such as PgBouncer) that keeps no session: set CCX_DATABASE_DIRECT_URL to the database itself.";

/**
 * True for what only a pooler between us and the server says: it refuses the settings that a connection
 * begins with, or hands a statement to another session than the one that prepared it.
 */
function isOfPooler(error: unknown): boolean {
  const code = codeOf(error);
  if (code === "26000" || code === "42P05") return true;
  return code === "08P01" && /startup parameter/i.test(messageOf(error));
}

/** A pooler hands on what the server refuses in words alone, as a broken protocol. */
function saidByPooler(error: unknown): string | undefined {
  if (codeOf(error) !== "08P01") return undefined;
  if (/database .*does not exist|no such database/i.test(messageOf(error))) return "3D000";
  return /authentication failed|no such user/i.test(messageOf(error)) ? "28P01" : undefined;
}

function adviceFor(code: string | undefined): string | undefined {
  switch (code) {
    case "28P01":
    case "28000":
      return "The database refused the user or password of DATABASE_URL.";
    case "3D000":
      return "The database named in DATABASE_URL does not exist: create it, or correct the URL.";
    case "42P01":
    case "42883":
    case "3F000":
      return "The database has not been migrated to this version: run `ccx migrate`.";
    case "42501":
      return "The user of DATABASE_URL lacks a privilege.";
    default:
      return undefined;
  }
}
