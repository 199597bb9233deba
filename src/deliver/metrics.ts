import type { Pool } from "pg";
import { doubtKinds } from "../content/render/doubts.ts";
import { failureReasons } from "../errors.ts";
import { noteExemplar } from "../metrics/open_metrics.ts";
import { atZero, counter, histogram, waitSeconds, workSeconds } from "../metrics/registry.ts";
import { deliveryTimes } from "../metrics/sql.ts";
import { spanContextOf } from "../trace/trace.ts";
import type { Outcome, TargetName } from "./outbox.ts";

const targets: readonly TargetName[] = ["notifications backend", "service log"];

const attempts = counter({
  name: "deliver_attempts_total",
  help: "Messages that a worker tried to deliver: sent, failed to be retried, or given up for good (dead)",
  labels: ["target", "outcome"],
});
const failures = counter({
  name: "deliver_failures_total",
  help: "Attempts that failed, by kind of failure",
  labels: ["target", "failure"],
});
const seconds = histogram({
  name: "deliver_duration_seconds",
  help: "How long a batch of messages took from its claim until all were settled",
  labels: ["target"],
  buckets: workSeconds,
});
const seenDefinition = {
  name: "deliver_seen_to_notified_seconds",
  help:
    "From the arrival of the report that the decision was taken on until the receiver accepted the " +
    "message",
  labels: ["target"],
  buckets: waitSeconds,
} as const;
const seenToNotified = histogram(seenDefinition);
const doubtful = counter({
  name: "deliver_doubtful_texts_total",
  help: "Values that texts of delivered messages lacked, by what they were instead",
  labels: ["target", "kind"],
});
const decidedToNotified = histogram({
  name: "deliver_decided_to_notified_seconds",
  help: "From the decision until the receiver accepted the message",
  labels: ["target"],
  buckets: waitSeconds,
});
for (const target of targets) {
  atZero(
    attempts,
    ["sent", "retried", "dead"].map((outcome) => ({ target, outcome })),
  );
  atZero(
    failures,
    failureReasons.map((failure) => ({ target, failure })),
  );
  atZero(
    doubtful,
    doubtKinds.map((kind) => ({ target, kind })),
  );
  for (const times of [seconds, seenToNotified, decidedToNotified]) times.zero({ target });
}

/**
 * Counts outcomes that are settled. How long the messages took is asked of the database, which has all of
 * these times by one clock; nobody waits for the answer, and without one it is not counted.
 */
export function countDelivered(
  pool: Pool,
  target: TargetName,
  outcomes: readonly Outcome[],
  settled: { dead: number },
): void {
  const sent = outcomes.filter((outcome) => outcome.sent);
  for (const { doubtful: lacks = [] } of sent) for (const { kind } of lacks) doubtful.inc({ target, kind });
  let failed = 0;
  for (const outcome of outcomes) {
    if (outcome.sent || outcome.failure === null) continue;
    failures.inc({ target, failure: outcome.failure });
    failed++;
  }
  attempts.inc({ target, outcome: "sent" }, sent.length);
  attempts.inc({ target, outcome: "dead" }, settled.dead);
  attempts.inc({ target, outcome: "retried" }, Math.max(failed - settled.dead, 0));
  if (sent.length > 0)
    void deliveryTimes(
      pool,
      sent.map(({ id }) => id),
    )
      .then((times) => {
        for (const { seen_seconds, decided_seconds, traceparent } of times) {
          const seen = Math.max(seen_seconds, 0);
          seenToNotified.observe({ target }, seen);
          const span = spanContextOf(traceparent);
          // a trace that nobody recorded leads nowhere
          if (span && span.traceFlags & 1)
            noteExemplar(seenDefinition, ["target", target], seen, span.traceId);
          decidedToNotified.observe({ target }, Math.max(decided_seconds, 0));
        }
      })
      .catch(() => undefined);
}

/** Counts a batch that is through. */
export const countBatch = (target: TargetName, ms: number): void => seconds.observe({ target }, ms / 1_000);
