import ipaddr from "ipaddr.js";
import { z } from "zod";
import { urlProblem } from "../http/guard.ts";

/**
 * The kinds of value a configuration key can have. Each reads the text of an environment variable; its one
 * message says what is expected and completes the sentence "KEY has to be …".
 */

const unlessFails = (expected: string) => ({ error: expected });

/** Any text without line breaks or other control characters. */
export const text = z.string().regex(/^\P{Cc}+$/u, unlessFails("one line of text"));

/** The name of a cell (SQL table cell); empty: there is only one. */
export const cellName = z
  .string()
  .regex(/^([a-z0-9][a-z0-9_-]{0,30})?$/, unlessFails("at most 31 small letters, digits, - and _"));

/** Where paths begin, without a slash at the end. */
export const pathPrefix = z
  .string()
  .transform((value) => value.replace(/\/+$/, ""))
  .refine((value) => /^(\/[\w.-]+)+$/.test(value), unlessFails("a path such as /api/v1"));

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

/** Hosts as a list: host, *.domain, with or without a port; http:// before it allows plain HTTP. */
export const hosts = z
  .string()
  .transform((value) => value.split(",").map((host) => host.trim()))
  .refine(
    (list) => list.every((host) => hostForm.test(host)),
    unlessFails("a list of hosts separated by commas: host, host:port, *.domain, http://host"),
  );

const hostForm =
  /^(?:https?:\/\/)?(?:(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** Names of Python packages or modules as a list. */
export const pythonNames = z
  .string()
  .transform((value) => value.split(",").map((name) => name.trim()))
  .refine(
    (list) => list.every((name) => /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(name)),
    unlessFails("a list of Python packages or modules, separated by commas"),
  );

export const postgresUrl = z
  .string()
  .refine(
    isPostgresUrl,
    unlessFails(
      "a URL such as postgres://user:password@host:5432/database (percent-encode special characters of " +
        "the password)",
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

/** Networks such as 10.0.0.0/8; an address alone is a network of itself. */
export const networks = z
  .string()
  .transform((value) => value.split(",").map((network) => network.trim()))
  .refine(
    (list) => list.every(isNetwork),
    unlessFails("a list of networks such as 10.0.0.0/8, separated by commas"),
  );

const isNetwork = (text: string): boolean =>
  ipaddr.isValidCIDR(text) || (/[.:].*[.:]/.test(text) && ipaddr.isValid(text)); // "1" would be 0.0.0.1

/** Numbers of organizations; `none` for none. */
export const organizations = z
  .string()
  .regex(
    /^(?:none|[1-9]\d{0,18}(?:\s*,\s*[1-9]\d{0,18})*)$/,
    unlessFails("a list of organizations (numbers), separated by commas, or none"),
  )
  .transform((value) => (value === "none" ? [] : value.split(",").map((id) => id.trim())));

/** Where requests of ours go: src/http/guard.ts. */
export const secureUrl = url();

/** The same, also by plain HTTP to other machines; whether that is allowed, another key says. */
export const webUrl = url({ plainHttp: true });

function url(options: { plainHttp?: boolean } = {}) {
  return z.string().superRefine((value, context) => {
    const problem = urlProblem(value, options);
    if (problem) context.addIssue({ code: "custom", message: problem });
  });
}

/**
 * A link for people, with places to fill in, each written as {name}; what fills them never becomes its host.
 */
export function linkTemplate(...places: string[]) {
  const expected =
    `an http(s):// URL in which only ` +
    `${places.map((place) => `{${place}}`).join(", ")} may stand in braces`;
  return z.string().superRefine((value, context) => {
    const filled = value.replaceAll(/\{(\w+)\}/g, (whole, place) => (places.includes(place) ? "x" : whole));
    const message = /^https?:\/\/[^\s{}]+$/i.test(filled)
      ? hasPlaceInHost(value)
        ? "a URL whose host is fixed: braces may stand only after it"
        : urlProblem(filled)
      : expected;
    if (message) context.addIssue({ code: "custom", message });
  });
}

function hasPlaceInHost(template: string): boolean {
  return /^https?:\/\/[^/?#\\]*\{/i.test(template);
}

/** A list of names, separated by commas; empty ones do not count. */
export const names = z
  .string()
  .regex(/^[\w.,\s-]*$/, unlessFails("a list of names, separated by commas"))
  .transform((value) =>
    value
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
  );

/** `name=bytes`, separated by commas. */
export const bytesByName = z
  .string()
  .regex(
    /^\s*[\w.-]+\s*=\s*\d{1,10}\s*(,\s*[\w.-]+\s*=\s*\d{1,10}\s*)*$/,
    unlessFails("a list of service=bytes, separated by commas"),
  )
  .transform((value) =>
    value.split(",").map((pair) => {
      const [name = "", bytes = ""] = pair.split("=").map((part) => part.trim());
      return { name, bytes: Number(bytes), toString: () => `${name}=${bytes}` };
    }),
  );

/** A bucket's name, by S3's rule. */
export const bucket = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, unlessFails("a bucket's name (small letters, digits, . -)"));
