import { atZero, counter, histogram, secondsSince, workSeconds } from "../metrics/registry.ts";

/** What may become of a request; the vocabulary of logs and metrics. */
export const outcomes = [
  "accepted",
  "repeated",
  "renamed",
  "test",
  "bad_identity",
  "denied",
  "no_file",
  "unknown_type",
  "unknown_service",
  "too_large",
  "busy",
  "store_failed",
  "database_failed",
] as const;
export type Outcome = (typeof outcomes)[number];

const requests = counter({
  name: "upload_requests_total",
  help: "Uploads that came in, by what became of them",
  labels: ["outcome"],
});
const bytes = histogram({
  name: "upload_bytes",
  help: "Size of the archives that were accepted",
  buckets: [1e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 5e6, 1e7, 2.5e7, 1e8],
});
const seconds = histogram({
  name: "upload_duration_seconds",
  help: "From the beginning of an upload until it was answered",
  buckets: workSeconds,
});
const announced = counter({
  name: "upload_messages_total",
  help: "Announcements and statuses that a worker tried to send: sent, to be tried again, or given up (dead)",
  labels: ["outcome"],
});
const removed = counter({
  name: "upload_archives_removed_total",
  help:
    "Contents of archives that were removed from the store: their time had come (past), or nobody " +
    "knew them",
  labels: ["why"],
});
atZero(
  requests,
  outcomes.map((outcome) => ({ outcome })),
);
atZero(
  announced,
  ["sent", "retried", "dead"].map((outcome) => ({ outcome })),
);
atZero(
  removed,
  ["past", "orphan"].map((why) => ({ why })),
);

/** Counts a request that is answered; `began` is a time of `performance.now()`. */
export function countUpload(outcome: Outcome, began: number, size?: number): void {
  requests.inc({ outcome });
  seconds.observe(secondsSince(began));
  if (size !== undefined) bytes.observe(size);
}

/** Counts messages that are settled. */
export function countMessages(settled: { sent: number; retried: number; dead: number }): void {
  for (const outcome of ["sent", "retried", "dead"] as const) announced.inc({ outcome }, settled[outcome]);
}

export const countRemoved = (why: "past" | "orphan", count: number): void => removed.inc({ why }, count);
