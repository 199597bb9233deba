import { atZero, counter, histogram, secondsSince, workSeconds } from "../metrics/registry.ts";
import type { Entry } from "./portions.ts";
import { rejectReasons } from "./reject_reasons.ts";
import type { Ingested } from "./sql.ts";

const outcomes = ["stored", "replaced", "unchanged", "rejected", "skipped", "elsewhere"] as const;

const messages = counter({
  name: "ingest_messages_total",
  help: "Messages that were consumed, by what became of them",
  labels: ["outcome"],
});
atZero(
  messages,
  outcomes.map((outcome) => ({ outcome })),
);
const rejected = counter({
  name: "ingest_rejected_total",
  help: "Messages that were rejected, by reason",
  labels: ["reason"],
});
atZero(
  rejected,
  [...rejectReasons, "not_storable"].map((reason) => ({ reason })),
);
const bytes = counter({
  name: "ingest_bytes_total",
  help: "Bytes of the messages that were consumed, as Kafka has them after decompression",
});
const batchMessages = histogram({
  name: "ingest_batch_messages",
  help: "Messages that went into the database in one call",
  buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000],
});
const batchSeconds = histogram({
  name: "ingest_batch_duration_seconds",
  help: "How long such a call took",
  buckets: workSeconds,
});

const tracked = counter({
  name: "ingest_tracker_messages_total",
  help: "Statuses for the payload tracker: sent, or lost while its topic was away",
  labels: ["outcome"],
});
atZero(tracked, [{ outcome: "sent" }, { outcome: "lost" }]);

/** Counts statuses that went to the payload tracker, or did not. */
export const countTracked = (outcome: "sent" | "lost", count: number): void =>
  tracked.inc({ outcome }, count);

const totals = { consumed: 0, refused: 0, unread: 0, stored: 0, storedBytes: 0 };

/**
 * What this process has consumed so far; `unread`: of what was refused, that which could not be read or has a
 * wrong field, other than its time.
 */
export const ingestTotals = (): Readonly<typeof totals> => totals;

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
export function countIngested(entries: readonly Entry[], counts: Ingested, ms: number): void {
  isProgress();
  addToTotals(entries, counts);
  for (const outcome of outcomes) messages.inc({ outcome }, counts[outcome]);
  let size = 0;
  for (const { message } of entries) size += message.value?.length ?? 0;
  bytes.inc(size);
  batchMessages.observe(entries.length);
  batchSeconds.observe(ms / 1_000);
  // what was skipped came first: its offsets are the lowest
  let unnamed = counts.rejected;
  for (const { reason } of entries.slice(counts.skipped)) {
    if (reason === undefined || unnamed === 0) continue;
    rejected.inc({ reason });
    unnamed--;
  }
  rejected.inc({ reason: "not_storable" }, unnamed);
}

let lastProgress: number | undefined;

/** The consumer has heard from the broker, or stored something. */
export function isProgress(): void {
  lastProgress = performance.now();
}

/** Seconds since the consumer last made progress; undefined before the first time. */
export const secondsWithoutProgress = (): number | undefined =>
  lastProgress === undefined ? undefined : secondsSince(lastProgress);
