import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { type Facts, factsOf, requestIdOf } from "./facts.ts";
import { type Hit, hitsHash } from "./hits_hash.ts";
import { type Body, metricsBody, reportBody } from "./member_scan.ts";
import { checkBeforeTime, checkVersion, type FieldProblem, type Message, ownerOf } from "./message_fields.ts";
import type { RejectReason } from "./reject_reasons.ts";
import { parseReportTime } from "./report_time.ts";
import { maxDepth, type ScanProblem, scanJson } from "./scan_json.ts";

export type ParsedMessage =
  | {
      kind: "report";
      orgId: number;
      /** 0 when the message has none. */
      accountNumber: number;
      /** A UUID in lower case. */
      cluster: string;
      /** LastChecked as RFC 3339 in UTC, cut to microseconds. */
      updatedAt: string;
      /**
       * What of `Report` or `Metrics` is stored: a JSON object, its members as they were written, numbers to
       * the digit.
       */
      report: string;
      /** The hash of its hits (`hitsHash()`); undefined for workloads. */
      hitsHash?: string | undefined;
      /** What the results API shows beside the report; undefined where the message lacks it. */
      facts: Facts;
      /** How many characters more the message has once numbers such as 1e1000 are written out. */
      growth: number;
    }
  | {
      kind: "rejected";
      reason: RejectReason;
      /** One sentence that names the field. */
      text: string;
      /** Whose it is, as far as it can be read. */
      orgId?: number | undefined;
      /** A UUID in lower case. */
      cluster?: string | undefined;
      /** The upload that it is about, as far as it can be read. */
      requestId?: string | undefined;
      /** When it conforms by itself, as RFC 3339; unset when it never does. */
      retryAt?: string | undefined;
    };

type Rejected = Extract<ParsedMessage, { kind: "rejected" }>;

export const defaultMaxBytes = 10 * 1024 * 1024;
const toleratedFutureMs = 5 * 60_000;
/** What is further ahead is no clock that differs a little: nobody waits for its time to come. */
const awaitedFutureMs = 24 * 3_600_000;

/**
 * Reads one message of topic ccx.ocp.results; with parseWorkloads() the only place that says what a valid
 * message is.
 *
 * @param value the Kafka message's value, plain or gzip; null is a tombstone
 * @param now the database's clock, against which LastChecked must not be more than 5 minutes ahead
 * @param limits `maxBytes`: the largest value taken, before and after decompression
 * @returns the report, or why there is none. Never throws, whatever the bytes.
 */
export const parseMessage = (
  value: Buffer | null,
  now: Date,
  limits: Limits = { maxBytes: defaultMaxBytes },
): ParsedMessage => parse(value, now, limits, reportBody);

/**
 * Reads one message of topic ccx.dvo.results: the same envelope, with `Metrics` in place of `Report`, of
 * which `workload_recommendations` is stored. Takes and returns the same as parseMessage(); never throws.
 */
export const parseWorkloads = (
  value: Buffer | null,
  now: Date,
  limits: Limits = { maxBytes: defaultMaxBytes },
): ParsedMessage => parse(value, now, limits, metricsBody);

type Limits = { maxBytes: number };

function parse(value: Buffer | null, now: Date, limits: Limits, body: Body): ParsedMessage {
  if (value === null) return rejected("tombstone", "The message has no value.");
  if (value.length > limits.maxBytes) return tooLarge(value.length, limits.maxBytes);
  const bytes = decompress(value, limits.maxBytes);
  if (!Buffer.isBuffer(bytes)) return bytes;
  if (bytes.length === 0) return rejected("empty", "The message is empty.");
  if (!isUtf8(bytes)) return rejected("invalid_utf8", "The message is not valid UTF-8.");
  const nul = bytes.indexOf(0);
  if (nul >= 0) return unstorable({ reason: "nul_character", offset: nul });
  const scan = scanJson(bytes, body);
  if (scan.problem !== undefined) return unstorable(scan.problem);
  if (bytes.length + scan.growth > limits.maxBytes) {
    // 7,000 times 1e131071 is 63 KB here, and a gigabyte in the database
    return rejected(
      "too_large",
      `The message, its numbers written out, is larger than ${inBytes(limits.maxBytes)}.`,
    );
  }

  const json = bytes.toString("utf8");
  let message: unknown;
  try {
    message = JSON.parse(json);
  } catch (error) {
    return notJson(json, error);
  }
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    return rejected("not_object", "The message is JSON, but not an object.");
  }

  const refused = ({ reason, text }: FieldProblem): Rejected => ({
    ...rejected(reason, text),
    ...ownerOf(message, scan.fractional),
    requestId: requestIdOf(message),
  });
  const problem = checkBeforeTime(message, body.field, scan.fractional);
  if (problem !== undefined) return refused(problem);
  const { OrgID, AccountNumber, ClusterName, LastChecked } = message as Message;
  const time = parseReportTime(LastChecked);
  if (time === undefined) {
    return refused({
      reason: "invalid_last_checked",
      text:
        `LastChecked has to be a time such as 2026-01-31T23:59:59.123456Z, but is ` +
        `${JSON.stringify(LastChecked.slice(0, 40))}.`,
    });
  }
  const latestMs = now.getTime() + toleratedFutureMs;
  if (time.epochMs > latestMs || (time.epochMs === latestMs && time.microseconds > 0)) {
    const isAwaited = time.epochMs <= now.getTime() + awaitedFutureMs;
    return {
      ...refused({
        reason: "future_last_checked",
        text: `LastChecked is more than 5 minutes in the future: ${time.text}.`,
      }),
      // a millisecond later for what is finer than that
      ...(isAwaited && { retryAt: new Date(time.epochMs - toleratedFutureMs + 1).toISOString() }),
    };
  }
  const versionProblem = checkVersion(message as Message, scan.fractional);
  if (versionProblem !== undefined) return refused(versionProblem);

  return {
    kind: "report",
    orgId: OrgID,
    accountNumber: AccountNumber || 0, // also turns -0 into 0
    cluster: ClusterName.toLowerCase(),
    updatedAt: time.text,
    report: `{${scan.body.map(([start, end]) => bytes.toString("utf8", start, end)).join(",")}}`,
    hitsHash:
      body === reportBody ? hitsHash((message as { Report: { reports: Hit[] } }).Report.reports) : undefined,
    facts: factsOf(message as Message),
    growth: scan.growth,
  };
}

/**
 * The message's own bytes, inflated where they are gzip, without the byte order mark that JSON does not
 * allow.
 */
function decompress(value: Buffer, maxBytes: number): Buffer | ParsedMessage {
  let bytes = value;
  if (value[0] === 0x1f && value[1] === 0x8b) {
    try {
      bytes = gunzipSync(value, { maxOutputLength: maxBytes });
    } catch (error) {
      if (error instanceof RangeError) return tooLarge(undefined, maxBytes); // ERR_BUFFER_TOO_LARGE
      return rejected("bad_compression", "The message starts as gzip data, but is damaged or cut off.");
    }
  }
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return hasMark ? bytes.subarray(3) : bytes;
}

function rejected(reason: RejectReason, text: string): Rejected {
  return { kind: "rejected", reason, text };
}

function tooLarge(size: number | undefined, maxBytes: number): ParsedMessage {
  const subject = size === undefined ? "The message, decompressed," : `The message with its ${size} bytes`;
  return rejected("too_large", `${subject} is larger than ${inBytes(maxBytes)}.`);
}

function inBytes(maxBytes: number): string {
  return `the ${maxBytes} bytes allowed`;
}

function unstorable({ reason, offset }: ScanProblem): ParsedMessage {
  const what = {
    nul_character: "contains the character U+0000, which PostgreSQL cannot store",
    invalid_surrogate: "contains half of a surrogate pair (\\ud800 to \\udfff)",
    too_deep: `nests deeper than ${maxDepth} levels`,
    invalid_number: "contains a number that PostgreSQL cannot store",
  }[reason];
  return rejected(reason, `The message ${what}, at byte ${offset}.`);
}

function notJson(json: string, error: unknown): ParsedMessage {
  if (json.trim() === "") return rejected("empty", "The message is blank.");
  const said = error instanceof Error ? error.message : "";
  const place = /line (\d+) column (\d+)/.exec(said);
  if (place !== null) {
    return rejected("not_json", `The message is not valid JSON: line ${place[1]}, column ${place[2]}.`);
  }
  const cut = said.includes("end of JSON input") ? ": it ends too early" : "";
  return rejected("not_json", `The message is not valid JSON${cut}.`);
}
