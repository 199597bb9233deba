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

/** An answer of the results API. */
export type Answered = { operation: string; path: string; status: number; seconds: number };

const listeners: ((answered: Answered) => void)[] = [];

/** Calls `listener` for each answer from now on: for metrics under other names. */
export const onAnswer = (listener: (answered: Answered) => void): void => void listeners.push(listener);

/** Counts an answer; `began` is a time of `performance.now()`, `path` as its operation writes it. */
export function countAnswer(operation: string, status: number, began: number, path = ""): void {
  const seconds = secondsSince(began);
  requests.inc({ operation, status: String(status) });
  duration.observe(seconds);
  for (const listener of listeners) listener({ operation, path, status, seconds });
}
