import type { KafkaMessage } from "kafkajs";
import type { Unreadable } from "../kafka/fetched.ts";
import { endSpan, incoming, onwards, type Span, SpanKind, startSpan } from "../trace/trace.ts";
import type { RejectReason } from "./reject_reasons.ts";
import { type Stream, streams } from "./streams.ts";

/**
 * One call carries at most this much, so that memory stays flat whatever the broker hands over, or the table
 * holds.
 */
export const mostBytes = 8 * 1024 * 1024;

/** And so many rejected messages at most; how many new ones is configured. */
export const mostRejected = 500;

/** A message from Kafka, or one that was rejected earlier, with its id in `rejected_message`. */
export type Arrived = Pick<KafkaMessage, "offset" | "key" | "value" | "headers"> & {
  id?: string;
  /** Why Kafka's batch cannot be read; then the value is the batch. */
  unreadable?: Unreadable;
};

/** Whose a message is, as far as it can be read; the cluster is a UUID in lower case. */
export type Owner = {
  orgId?: number | undefined;
  cluster?: string | undefined;
  /** The upload that it is about. */
  requestId?: string | undefined;
};

/**
 * A message and what ingest() or ccx.retry_rejected() takes of it: an element of its batch, as JSON text; the
 * reason where our checks reject it. `reportBytes`: how large what is stored of it is.
 */
export type Entry = {
  message: Arrived;
  json: string;
  reason?: RejectReason;
  /** Which cluster it is about, where that could be read. */
  cluster?: string | undefined;
  requestId?: string | undefined;
  /** Whose it is, where our checks take it. */
  owner?: Owner;
  reportBytes?: number;
  /** The time of the report. */
  reportedAt?: string;
  /** The database rejected it, though our checks did not. */
  isPutAside?: boolean;
  /** The trace that it goes on in: what came with it, or, where we trace, its own span. */
  traceparent?: string | undefined;
  span?: Span | undefined;
};

/** The messages are stored: ends their spans. */
export function endSpans(entries: readonly Entry[]): void {
  for (const { span, reason } of entries) endSpan(span, reason);
}

/**
 * Parses messages and hands them on in portions for one call of ingest() each: at most `mostMessages`, and,
 * unless a single one is larger, 8 MiB. What counts is the text after inflating, its numbers written out: a
 * megabyte of gzip can be a gigabyte of reports.
 */
export function* portionsOf(
  messages: Arrived[],
  mostMessages: number,
  now: () => Date,
  stream: Stream = streams.results,
): Generator<Entry[]> {
  let portion: Entry[] = [];
  let bytes = 0;
  for (const message of messages) {
    const { size, ...entry } = entryOf(message, now(), stream);
    if (portion.length > 0 && (portion.length >= mostMessages || bytes + size > mostBytes)) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(entry);
    bytes += size;
  }
  if (portion.length > 0) yield portion;
}

/** One element of the batch. The report is a text in it: what PostgreSQL stores, it need not read. */
function entryOf(message: Arrived, now: Date, stream: Stream): Entry & { size: number } {
  if (message.unreadable) {
    const { isTooLarge, detail } = message.unreadable;
    const reason: RejectReason = isTooLarge ? "too_large" : "unreadable_batch";
    const headers = { "ccx-record-batch": Buffer.from(detail) }; // no retry can read it
    const json = rejection({ ...message, headers }, reason, detail, {});
    return { message, json, size: json.length };
  }
  const parsed = stream.parse(message.value, now);
  if (parsed.kind === "rejected") {
    const json = rejection(message, parsed.reason, parsed.text, parsed);
    const attributes = { "messaging.system": "kafka", "messaging.kafka.offset": message.offset };
    const { reason, requestId, cluster } = parsed;
    return { message, json, ...traceOf(message, attributes), size: json.length, reason, cluster, requestId };
  }
  const trace = traceOf(message, {
    "messaging.system": "kafka",
    "messaging.kafka.offset": message.offset,
    "ccx.organization": String(parsed.orgId),
    "ccx.cluster": parsed.cluster,
  });
  const { requestId, gatheredAt, clusterVersion } = parsed.facts;
  const json =
    `{${message.id === undefined ? "" : `"id":${message.id},`}"kafka_offset":${message.offset}` +
    `,"org_id":${parsed.orgId},"account_number":${parsed.accountNumber}` +
    `,"cluster":"${parsed.cluster}","updated_at":"${parsed.updatedAt}","request_id":${inJson(requestId)}` +
    `,"gathered_at":${inJson(gatheredAt)},"cluster_version":${inJson(clusterVersion)}` +
    // a retry is rare, and was once wrong: the database reads all of it
    `${parsed.hitsHash === undefined || message.id !== undefined ? "" : `,"hits_hash":${parsed.hitsHash}`}` +
    `,"report":${JSON.stringify(parsed.report)}` +
    `${trace.traceparent === undefined ? "" : `,"traceparent":"${trace.traceparent}"`}}`;
  return {
    ...{ message, json, cluster: parsed.cluster, requestId, ...trace },
    owner: { orgId: parsed.orgId, cluster: parsed.cluster, requestId },
    reportBytes: parsed.report.length,
    reportedAt: parsed.updatedAt,
    size: json.length + parsed.growth,
  };
}

/** Takes the hashes of their hits out of what goes to the database, which computes them then. */
export function leaveOutHashes(entries: readonly Entry[]): void {
  // within a text, each quote follows a backslash
  for (const entry of entries) entry.json = entry.json.replace(/,"hits_hash":-?\d+/, "");
}

/** The trace that a message came in, and, where we trace, the span of its way through the consumer. */
function traceOf(message: Arrived, attributes: Record<string, string>): Pick<Entry, "traceparent" | "span"> {
  const came = incoming(message.headers);
  const span = startSpan("ingest", { kind: SpanKind.CONSUMER, parent: came, attributes });
  return { traceparent: onwards(span, came), span };
}

const inJson = (text: string | undefined): string => (text === undefined ? "null" : JSON.stringify(text));

/**
 * The element for a message that is not taken: raw bytes in base64, the reason, a sentence, whose it is, and
 * when the service tries it again by itself.
 */
export function rejection(
  message: Arrived,
  reason: RejectReason,
  detail: string,
  owner: Owner & { retryAt?: string | undefined },
): string {
  const headers = new Map<string, (string | null)[]>();
  for (const [name, values] of Object.entries(message.headers ?? {})) {
    const bytes = [values ?? null]
      .flat()
      .map((one) => (one == null ? null : Buffer.from(one).toString("base64")));
    headers.set(storable(name), [...(headers.get(storable(name)) ?? []), ...bytes]);
  }
  return JSON.stringify({
    id: message.id,
    kafka_offset: message.offset,
    org_id: owner.orgId,
    cluster: owner.cluster,
    request_id: owner.requestId,
    reason,
    retry_at: owner.retryAt,
    detail: storable(detail),
    key: message.key?.toString("base64") ?? null,
    value: message.value?.toString("base64") ?? null,
    headers: Object.fromEntries(headers),
  });
}

function storable(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}
