import { ConfigurationError, messageOf } from "../errors.ts";

/**
 * What an error of the database means for whoever called it:
 *
 * * `away`: nobody can be served now. Wait; the same call succeeds later, and nobody is to blame.
 * * `in_the_way`: somebody else's lock or transaction, or a release that is being loaded. The same call
 *   succeeds soon; where it does not, less work may: only a part of it may meet the lock.
 * * `of_the_work`: the call took longer, or more, than it may. The server is well. The same call may succeed
 *   once more, less work is likelier to, and a single piece that still fails is to be put aside.
 * * `refused`: the database does not take one of the values. Trying again cannot help.
 * * `rule`: a function of ours refuses (class NT, docs/reference/errors.md). The caller knows what it means.
 * * `setup`: a person has to change something first; `asConfigurationError` says what.
 * * `unexpected`: anything else, a fault of ours or of the server. The server answered if it has an SQLSTATE.
 */
export type Trouble = "away" | "in_the_way" | "of_the_work" | "refused" | "rule" | "setup" | "unexpected";

/** SQLSTATEs, their classes, and system errors, by what they mean; the whole code goes before the class. */
const troubles: ReadonlyMap<string, Trouble> = new Map(
  Object.entries({
    away: [
      ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"],
      "EAI_AGAIN",
      "08", // the connection
      "25006", // read-only: a stand-by that is about to take over
      "53", // no disk, connections or other means left
      "57P01", // shutting down
      "57P02", // crashed
      "57P03", // starting up
      "58030", // I/O error
    ],
    in_the_way: [
      "40001", // serialization failure
      "40P01", // deadlock
      "55P03", // a lock that could not be had in time
    ],
    of_the_work: [
      "25P03", // idle_in_transaction_session_timeout
      "25P04", // transaction_timeout
      "53200", // out of memory
      "53400", // a limit of the configuration, such as temp_file_limit
      "57014", // statement_timeout, or somebody cancelled it
      "57P05", // idle_session_timeout
    ],
    refused: ["22", "23", "54", "P0"],
    rule: ["NT"],
    setup: ["28000", "28P01", "3D000", "3F000", "42501", "42703", "42883", "42P01"],
  } satisfies Record<Exclude<Trouble, "unexpected">, string[]>).flatMap(([trouble, codes]) =>
    codes.map((code) => [code, trouble as Trouble] as const),
  ),
);

/** What an error of a call of the database means. The one place that says so, for every room. */
export function troubleOf(error: unknown): Trouble {
  // the server ends with it, whatever its code says
  if (error instanceof Error && "severity" in error && error.severity === "PANIC") return "away";
  if (isFaultOfAnotherObject(error)) return "refused";
  const code = codeOf(error);
  if (code === "XX000" && replaced.test(messageOf(error))) return "in_the_way";
  if (code !== undefined) return troubles.get(code) ?? troubles.get(code.slice(0, 2)) ?? "unexpected";
  return error instanceof Error && noConnection.test(error.message) ? "away" : "unexpected";
}

/** An object was replaced while it was looked up or changed. */
const replaced = /cache lookup failed|could not open relation with OID|tuple concurrently/;

/** What `pg` says in words only, the last one when an answer is overdue. */
const noConnection = /^(Connection terminated|timeout e|Client has encountered|Query read timeout)/i;

/** True when the same call may succeed later, whoever is to blame. */
export function mayPass(error: unknown): boolean {
  return ["away", "in_the_way", "of_the_work"].includes(troubleOf(error));
}

/**
 * True when less work may get through, and a single piece that does not is to be put aside: the server
 * answers, and it is neither its state, nor a rule of ours, nor anybody's setup that is in the way.
 */
export function isWorkToBlame(error: unknown): boolean {
  const trouble = troubleOf(error);
  return (
    ["in_the_way", "of_the_work", "refused"].includes(trouble) ||
    (trouble === "unexpected" && /^[0-9A-Z]{5}$/.test(codeOf(error) ?? ""))
  );
}

/** The SQLSTATE or system error code of whatever `pg` threw. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** True when the database is away or overloaded, so that the same call may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return troubleOf(error) === "away";
}

/**
 * True when the database refuses one of the values given, so that trying again cannot help: it cannot hold it
 * (SQLSTATE classes 22 and 54), somebody's constraint or trigger does not want it (23, P0), or somebody's
 * trigger fails.
 */
export function isUnstorable(error: unknown): boolean {
  return troubleOf(error) === "refused";
}

/**
 * True for what is missing or forbidden inside a function: ours are loaded together, so it is somebody's
 * trigger that calls what has gone, or a right that was taken away, and no sign that nobody migrated. No
 * value is to blame, so once a person has mended it, the same call succeeds.
 */
export function isFaultOfAnotherObject(error: unknown): boolean {
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

/** Which value of a statement is not of its form, from 1 on; undefined: the error is about something else. */
export function parameterOf(error: unknown): number | undefined {
  const where = error instanceof Error && "where" in error ? error.where : undefined;
  const [, nth] = (typeof where === "string" && /parameter \$(\d+)/i.exec(where)) || [];
  return nth !== undefined && codeOf(error)?.startsWith("22") ? Number(nth) : undefined;
}

/** What a person has to know whose DATABASE_URL leads to a pooler. */
export const behindPooler =
  "DATABASE_URL leads through a pooler (such as PgBouncer) that keeps no session: set " +
  "CCX_DATABASE_DIRECT_URL to the database itself.";

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
