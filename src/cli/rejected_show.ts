import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";
import type { Pool } from "pg";
import { ConfigurationError } from "../errors.ts";
import { defaultMaxBytes } from "../ingest/parse_message.ts";
import type { RejectedMessage } from "../ingest/rejected.ts";
import { visible } from "./output.ts";
import * as sql from "./sql.ts";

const mostCharacters = 64 * 1024;
const mostDumped = 1024;

/**
 * Prints one rejected message, the newest of a position that several had: for people, as JSON, or only its
 * bytes. Returns whether there is one.
 */
export async function showRejected(
  pool: Pool,
  place: string,
  options: { raw?: boolean; json?: boolean },
): Promise<boolean> {
  const message = await sql.matchingRejected(pool, place);
  if (!message) {
    if (!options.raw) console.log(options.json ? "null" : "There is no such rejected message.");
    return false;
  }
  if (options.raw) {
    if (!message.value) throw new ConfigurationError("The message has no value: it is a tombstone.");
    process.stdout.write(message.value);
  } else if (options.json) console.log(JSON.stringify(asJson(message)));
  else console.log(forPeople(message));
  return true;
}

const readable = (bytes: Buffer) => (isUtf8(bytes) ? bytes.toString("utf8") : undefined);

/** What gzip data hold, where that is text of a size we would take. */
function inflated(bytes: Buffer): string | undefined {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return undefined;
  try {
    return readable(gunzipSync(bytes, { maxOutputLength: defaultMaxBytes }));
  } catch {
    return undefined;
  }
}

function asJson({ key, value, headers, ...message }: RejectedMessage): object {
  const both = (bytes: Buffer | null) =>
    bytes && { base64: bytes.toString("base64"), text: readable(bytes) ?? inflated(bytes) ?? null };
  return {
    ...message,
    key: both(key),
    headers: Object.entries(headers).map(([name, values]) => ({ name, values: values.map(both) })),
    value: both(value),
  };
}

function forPeople(message: RejectedMessage): string {
  const { key, value, headers, topic, partition, kafka_offset: offset, ...facts } = message;
  const lines = [["position", `${topic}/${partition}/${offset}`]];
  for (const [name, fact] of Object.entries(facts)) {
    if (fact !== null) lines.push([name.replaceAll("_", " "), visible(String(fact))]);
  }
  lines.push(["key", oneLine(key)]);
  for (const [name, values] of Object.entries(headers))
    for (const one of values) lines.push([`header ${visible(name)}`, oneLine(one)]);
  const width = Math.max(...lines.map(([name]) => name?.length ?? 0));
  const head = lines.map(([name = "", text = ""]) => `${name.padEnd(width)}  ${text}`).join("\n");
  return `${head}\n\n${bodyOf(value)}`;
}

function oneLine(bytes: Buffer | null): string {
  if (bytes === null) return "none";
  const text = readable(bytes);
  return text === undefined ? `base64 ${bytes.toString("base64")}` : visible(text);
}

function bodyOf(value: Buffer | null): string {
  if (value === null) return "No value (a tombstone).";
  const plain = readable(value);
  if (plain !== undefined) return `${value.length} bytes of text:\n${excerpt(plain)}`;
  const text = inflated(value);
  if (text !== undefined) return `${value.length} bytes of gzip, which hold this text:\n${excerpt(text)}`;
  const more =
    value.length > mostDumped ? `\n… ${value.length - mostDumped} bytes more: --raw writes them all` : "";
  return `${value.length} bytes, not text:\n${dump(value.subarray(0, mostDumped))}${more}`;
}

function excerpt(text: string): string {
  const more = text.length > mostCharacters ? "\n… and more: --raw writes it all" : "";
  return visible(text.slice(0, mostCharacters).trimEnd(), "\n\t") + more;
}

/** Sixteen bytes a line: where they are, in hex, and what of them is ASCII. */
function dump(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const hex = part.toString("hex").replaceAll(/..(?=.)/g, "$& ");
    const ascii = part.toString("latin1").replaceAll(/[^ -~]/g, ".");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join("\n");
}
