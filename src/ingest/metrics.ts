import { atZero, counter, histogram, secondsSince, workSeconds } from "../metrics/registry.ts";
import type { Entry } from "./portions.ts";
import { rejectReasons } from "./reject_reasons.ts";
import type { Ingested } from "./sql.ts";

const outcomes = ["stored", "replaced", "unchanged", "rejected", "skipped"] as const;

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

/** Counts a portion that was stored within `ms` milliseconds. */
export function countIngested(entries: readonly Entry[], counts: Ingested, ms: number): void {
  isProgress();
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
