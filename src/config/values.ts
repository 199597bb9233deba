import { z } from "zod";

/**
 * The kinds of value a configuration key can have. Each reads the text of an environment variable; its one
 * message says what is expected and completes the sentence "KEY has to be …".
 */

const unlessFails = (expected: string) => ({ error: expected });

/** Any text without line breaks or other control characters. */
export const text = z.string().regex(/^\P{Cc}+$/u, unlessFails("one line of text"));

/** true or false; 1 and 0 are read as such too. */
export const flag = z
  .enum(["true", "false", "1", "0"], unlessFails("true or false"))
  .transform((value) => value === "true" || value === "1");

/** A whole number of `unit` between the two limits. */
export function count(min: number, max: number, unit = "") {
  const expected = `a whole number${unit && ` of ${unit}`} from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, unlessFails(expected))
    .transform(Number)
    .refine((value) => value >= min && value <= max, unlessFails(expected));
}

/** One of a few words. */
export function word<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, unlessFails(words.join(" or ")));
}

/** A topic's name, by Kafka's rule. */
export const topic = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, unlessFails("a Kafka topic's name (letters, digits, . _ -)"));

/** Brokers as a list; without IPv6 literals, which kafkajs cannot read. */
export const brokers = z
  .string()
  .transform((value) => value.split(",").map((broker) => broker.trim()))
  .refine((list) => list.every(isBroker), unlessFails("a list of host:port, separated by commas"));

function isBroker(value: string): boolean {
  const port = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?:(\d{1,5})$/.exec(value)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}

export const postgresUrl = z
  .string()
  .refine(
    isPostgresUrl,
    unlessFails(
      "a URL such as postgres://user:password@host:5432/database (percent-encode special characters of the password)",
    ),
  );

function isPostgresUrl(value: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  return [url.username, url.password, url.pathname].every(isPercentEncoded);
}

function isPercentEncoded(value: string): boolean {
  try {
    decodeURIComponent(value);
    return true;
  } catch {
    return false;
  }
}

/** Where secrets are sent to: encrypted, unless it stays on this machine. */
export const secureUrl = z
  .string()
  .refine(
    isSecureUrl,
    unlessFails(
      "an https:// URL without user name and password (http:// only for localhost, 127.x.x.x or [::1])",
    ),
  );

function isSecureUrl(value: string): boolean {
  if (!isWebUrl(value)) return false;
  const { protocol, hostname } = new URL(value);
  const isLoopback = hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
  return protocol === "https:" || isLoopback;
}

/** An address that is read from and never sent a secret. */
export const webUrl = z
  .string()
  .refine(isWebUrl, unlessFails("an http(s):// URL without user name and password"));

function isWebUrl(value: string): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === "" && password === "";
}

/** A link for people, with places to fill in, each written as {name}. */
export function linkTemplate(...places: string[]) {
  const expected = `an http(s):// URL in which only ${places.map((place) => `{${place}}`).join(", ")} may stand in braces`;
  return z.string().refine((value) => {
    const filled = value.replaceAll(/\{(\w+)\}/g, (whole, place) => (places.includes(place) ? "x" : whole));
    return /^https?:\/\/[^\s{}]+$/i.test(filled) && URL.canParse(filled);
  }, unlessFails(expected));
}
