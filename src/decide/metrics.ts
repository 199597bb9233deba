import { atZero, counter, histogram, workSeconds } from "../metrics/registry.ts";
import { holdReasons } from "../text/hold_reasons.ts";
import type { Decided } from "./sql.ts";

const targets = ["notifications backend", "service log"];

const seconds = histogram({
  name: "decide_duration_seconds",
  help: "How long a decision on a batch of clusters took",
  buckets: workSeconds,
});
const failures = counter({
  name: "decide_failures_total",
  help: "Decisions that failed and will be tried again",
});
const clusters = counter({ name: "decide_clusters_total", help: "Clusters that were decided on" });
const decisions = counter({
  name: "decide_decisions_total",
  help: "Decisions on an issue and a target, each once",
  labels: ["target", "decision"],
});
const holds = counter({
  name: "decide_holds_total",
  help: "Reasons that held an issue; one that several reasons hold counts for each of them",
  labels: ["target", "reason"],
});
for (const target of targets) {
  atZero(decisions, [
    { target, decision: "notify" },
    { target, decision: "hold" },
  ]);
  atZero(
    holds,
    Object.keys(holdReasons).map((reason) => ({ target, reason })),
  );
}

/** Counts one batch. */
export function countDecided(batch: Decided, ms: number): void {
  seconds.observe(ms / 1_000);
  clusters.inc(batch.clusters);
  for (const { target, reasons, count } of batch.decisions) {
    decisions.inc({ target, decision: reasons.length === 0 ? "notify" : "hold" }, count);
    for (const reason of reasons) holds.inc({ target, reason }, count);
  }
}

/** Counts a batch that failed. */
export const countFailedDecision = (): void => failures.inc();
