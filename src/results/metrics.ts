import { atZero, counter, histogram, secondsSince } from "../metrics/registry.ts";

const requests = counter({
  name: "results_requests_total",
  help: "Requests to the results API, by operation and status",
  labels: ["operation", "status"],
});

atZero(requests, [{ operation: "report", status: "200" }]);

const duration = histogram({
  name: "results_duration_seconds",
  help: "How long an answer of the results API took",
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
});

/** Counts an answer; `began` is a time of `performance.now()`. */
export function countAnswer(operation: string, status: number, began: number): void {
  requests.inc({ operation, status: String(status) });
  duration.observe(secondsSince(began));
}
