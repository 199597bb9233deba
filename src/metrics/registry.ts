import { performance } from "node:perf_hooks";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/**
 * What this process counts. Each room defines its own metrics in its metrics.ts; what describes the database
 * is in the views metrics_* and the same whoever is asked.
 */
export const registry = new Registry();

/** A metric as it is written down: the name without the `ccx_` that all have, and its help. */
type Definition<Label extends string> = { name: string; help: string; labels?: readonly Label[] };

const written = <Label extends string>({ name, help, labels = [] }: Definition<Label>) => ({
  name: `ccx_${name}`,
  help,
  labelNames: labels,
  registers: [registry],
});

/** A counter; the values of its labels that are known are to be set to 0 with `atZero`. */
export const counter = <Label extends string = never>(definition: Definition<Label>): Counter<Label> =>
  new Counter(written(definition));

/** A gauge that is worked out when somebody asks. */
export const gauge = <Label extends string = never>(
  definition: Definition<Label>,
  collect: (gauge: Gauge<Label>) => void,
): Gauge<Label> =>
  new Gauge({
    ...written(definition),
    collect() {
      collect(this);
    },
  });

export const histogram = <Label extends string = never>(
  definition: Definition<Label> & { buckets: number[] },
): Histogram<Label> => new Histogram({ ...written(definition), buckets: definition.buckets });

/** Buckets for work of ours: 5 ms to a minute. */
export const workSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Buckets for how long a customer waits: a second to two days. */
export const waitSeconds = [1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600, 4 * 3_600, 24 * 3_600, 48 * 3_600];

/** `rate()` sees the first of its kind only when there was a 0 before. */
export function atZero<Label extends string>(
  metric: Counter<Label>,
  values: Iterable<Partial<Record<Label, string>>>,
): void {
  for (const labels of values) metric.inc(labels, 0);
}

/** Seconds since `began`, a time of `performance.now()`. */
export const secondsSince = (began: number): number => (performance.now() - began) / 1_000;

/** These three are gauges with a name that only a counter may have. */
const misnamed = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

let isWatched = false;

/**
 * Process, event loop, heap and garbage collector; watching costs something, so only who serves them does.
 */
export function watchNode(): void {
  if (isWatched) return;
  isWatched = true;
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
}
