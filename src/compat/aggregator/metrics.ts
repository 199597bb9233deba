import { Counter, Histogram, type Registry } from "prom-client";
import { ingestTotals, onIngested } from "../../ingest/metrics.ts";
import { onAnswer } from "../../results/metrics.ts";
import { addCounters, nameBelow } from "../counters.ts";

const votes = ["like", "dislike", "reset_vote"];

/**
 * Puts the metrics of the aggregator and its db-writer beside ours, under its namespace: once in a process,
 * before it consumes or answers. Those about its SQL have no counterpart (docs/guides/migrating.md).
 */
export function addAggregatorMetrics(registry: Registry, namespace: string): void {
  let [feedback, ratings] = [0, 0];
  addCounters(registry, namespace, {
    consumed_messages: { help: "Messages that were consumed", count: () => ingestTotals().consumed },
    consuming_errors: { help: "Messages that were rejected", count: () => ingestTotals().refused },
    messages_with_empty_rule_execution_result: {
      help: "Messages that were skipped for an empty report; here they are rejected or stored, so none",
      count: () => 0,
    },
    written_reports: { help: "Reports that were stored", count: () => ingestTotals().stored },
    produced_messages: { help: "Statuses for the payload tracker", count: () => ingestTotals().tracked },
    feedback_on_rules: { help: "Votes on rules", count: () => feedback },
    rating_on_rules: { help: "Ratings of rules", count: () => ratings },
  });
  const written = (name: string, help: string) => ({
    ...{ name: nameBelow(namespace, name), help, registers: [registry] },
  });
  const successful = new Histogram(
    written("successful_messages_processing_time", "Seconds that a stored message took"),
  );
  const failed = new Histogram(
    written("failed_messages_processing_time", "Seconds that a rejected message took"),
  );
  const lag = new Histogram({
    ...written("last_checked_timestamp_lag_minutes", "Minutes from a report until it was stored"),
    buckets: [0.5, 1, 2, 5, 10, 30, 60, 120, 360, 1_440],
  });
  onIngested(({ isRefused, seconds, ageSeconds }) => {
    (isRefused ? failed : successful).observe(seconds);
    if (ageSeconds !== undefined) lag.observe(ageSeconds / 60);
  });
  const requests = new Counter({
    ...written("api_endpoints_requests", "Requests by path"),
    labelNames: ["endpoint"],
  });
  const times = new Histogram({
    ...written("api_endpoints_response_time", "Seconds that an answer took"),
    labelNames: ["endpoint"],
  });
  const statuses = new Counter({
    ...written("api_endpoints_status_codes", "Answers by status"),
    labelNames: ["status_code"],
  });
  onAnswer(({ operation, path, status, seconds }) => {
    requests.inc({ endpoint: path });
    times.observe({ endpoint: path }, seconds);
    statuses.inc({ status_code: String(status) });
    if (status !== 200) return;
    if (votes.includes(operation)) feedback++;
    if (operation === "rate") ratings++;
  });
}
