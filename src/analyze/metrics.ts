import { atZero, counter, histogram, workSeconds } from "../metrics/registry.ts";
import { archiveFailures } from "./failures.ts";
import type { Taken } from "./sql.ts";

const outcomes = ["taken", "known", "dead", "skipped"] as const;

const announcements = counter({
  name: "analyze_announcements_total",
  help: "Announcements that were consumed, by what became of them",
  labels: ["outcome"],
});
atZero(
  announcements,
  outcomes.map((outcome) => ({ outcome })),
);
const archives = counter({
  name: "analyze_archives_total",
  help: "Archives that rules ran on, and (failed) tries that ended before that",
  labels: ["outcome"],
});
atZero(archives, [{ outcome: "analyzed" }, { outcome: "failed" }]);
const failures = counter({
  name: "analyze_failures_total",
  help: "Tries that failed, by why",
  labels: ["failure"],
});
atZero(
  failures,
  archiveFailures.map((failure) => ({ failure })),
);
const ruleFailures = counter({
  name: "analyze_rule_failures_total",
  help: "Rules that failed on an archive",
});
const seconds = histogram({
  name: "analyze_archive_duration_seconds",
  help: "How long an archive took, from its download to its result",
  buckets: workSeconds,
});
const published = counter({ name: "analyze_results_total", help: "Results that were published" });

export function countTaken(taken: Taken): void {
  for (const outcome of outcomes) announcements.inc({ outcome }, taken[outcome]);
}

export function countAnalyzed(ms: number, failedRules: number): void {
  archives.inc({ outcome: "analyzed" });
  ruleFailures.inc(failedRules);
  seconds.observe(ms / 1_000);
}

export function countFailed(failure: string): void {
  archives.inc({ outcome: "failed" });
  failures.inc({ failure });
}

export function countPublished(count: number): void {
  published.inc(count);
}
