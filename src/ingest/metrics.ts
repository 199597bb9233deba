import { atZero, counter, histogram, secondsSince, workSeconds } from "../metrics/registry.ts";
import type { Entry } from "./portions.ts";
import { rejectReasons } from "./reject_reasons.ts";
import type { Ingested } from "./sql.ts";
import type { StreamName } from "./streams.ts";

const outcomes = ["stored", "replaced", "unchanged", "rejected", "skipped", "elsewhere"] as const;
const streamNames: readonly StreamName[] = ["results", "workloads"];

const messages = counter({
  name: "ingest_messages_total",
  help: "Messages that were consumed, by what became of them",
  labels: ["stream", "outcome"],
});
atZero(
  messages,
  streamNames.flatMap((stream) => outcomes.map((outcome) => ({ stream, outcome }))),
);
const rejected = counter({
  name: "ingest_rejected_total",
  help: "Messages that were rejected, by reason",
  labels: ["stream", "reason"],
});
atZero(
  rejected,
  streamNames.flatMap((stream) => rejectReasons.map((reason) => ({ stream, reason }))),
);
const bytes = counter({
  name: "ingest_bytes_total",
  help: "Bytes of the messages that were consumed, as Kafka has them after decompression",
  labels: ["stream"],
});
atZero(
  bytes,
  streamNames.map((stream) => ({ stream })),
);
const batchMessages = histogram({
  name: "ingest_batch_messages",
  help: "Messages that went into the database in one call",
  labels: ["stream"],
  buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000],
});
const batchSeconds = histogram({
  name: "ingest_batch_duration_seconds",
  help: "How long such a call took",
  labels: ["stream"],
  buckets: workSeconds,
});

const tracked = counter({
  name: "ingest_tracker_messages_total",
  help: "Statuses for the payload tracker: sent, or lost while its topic was away",
  labels: ["outcome"],
});
atZero(tracked, [{ outcome: "sent" }, { outcome: "lost" }]);

/** Counts statuses that went to the payload tracker, or did not. */
export function countTracked(outcome: "sent" | "lost", count: number): void {
  tracked.inc({ outcome }, count);
  if (outcome === "sent") totals.tracked += count;
}

const totals = { consumed: 0, refused: 0, unread: 0, stored: 0, storedBytes: 0, tracked: 0 };

/**
 * What this process has consumed of results so far; `unread`: of what was refused, that which could not be
 * read or has a wrong field, other than its time; `tracked`: statuses that the payload tracker got.
 */
export const ingestTotals = (): Readonly<typeof totals> => totals;

/** What became of a message of results: how many seconds it took, and how old its report was by then. */
export type IngestedMessage = { isRefused: boolean; seconds: number; ageSeconds: number | undefined };

const listeners: ((message: IngestedMessage) => void)[] = [];

/** Calls `listener` for each message of results from now on: for metrics under other names. */
export const onIngested = (listener: (message: IngestedMessage) => void): void =>
  void listeners.push(listener);

function announce(entries: readonly Entry[], skipped: number, ms: number): void {
  if (listeners.length === 0) return;
  const seconds = ms / 1_000 / entries.length;
  for (const { reason, isPutAside, reportedAt } of entries.slice(skipped)) {
    const ageSeconds = reportedAt === undefined ? undefined : (Date.now() - Date.parse(reportedAt)) / 1_000;
    const isRefused = reason !== undefined || isPutAside === true;
    for (const listener of listeners) listener({ isRefused, seconds, ageSeconds });
  }
}

function addToTotals(entries: readonly Entry[], counts: Ingested): void {
  totals.consumed += entries.length;
  totals.refused += counts.rejected;
  totals.stored += counts.stored + counts.replaced + counts.unchanged;
  for (const { reason, isPutAside, reportBytes = 0 } of entries.slice(counts.skipped)) {
    if (reason !== undefined && !/_last_checked$/.test(reason)) totals.unread++;
    if (reason === undefined && !isPutAside) totals.storedBytes += reportBytes;
  }
}

/** Counts a portion that was stored within `ms` milliseconds. */
export function countIngested(
  stream: StreamName,
  entries: readonly Entry[],
  counts: Ingested,
  ms: number,
): void {
  isProgress(stream);
  if (stream === "results") {
    addToTotals(entries, counts);
    announce(entries, counts.skipped, ms);
  }
  for (const outcome of outcomes) messages.inc({ stream, outcome }, counts[outcome]);
  let size = 0;
  for (const { message } of entries) size += message.value?.length ?? 0;
  bytes.inc({ stream }, size);
  batchMessages.observe({ stream }, entries.length);
  batchSeconds.observe({ stream }, ms / 1_000);
  // what was skipped came first: its offsets are the lowest
  let unnamed = counts.rejected;
  for (const { reason } of entries.slice(counts.skipped)) {
    if (reason === undefined || unnamed === 0) continue;
    rejected.inc({ stream, reason });
    unnamed--;
  }
  rejected.inc({ stream, reason: "not_storable" }, unnamed);
}

const lastProgress = new Map<StreamName, number>();

/** The consumer of this stream has heard from the broker, or stored something. */
export function isProgress(stream: StreamName): void {
  lastProgress.set(stream, performance.now());
}

/**
 * Seconds since the consumer that has made none for the longest time last made progress; undefined before the
 * first time.
 */
export const secondsWithoutProgress = (): number | undefined =>
  lastProgress.size === 0 ? undefined : secondsSince(Math.min(...lastProgress.values()));
