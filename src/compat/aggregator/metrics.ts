import { Counter, type Registry } from "prom-client";
import { ingestTotals } from "../../ingest/metrics.ts";

type Totals = ReturnType<typeof ingestTotals>;

/** What each counter of the db-writer counts, worked out from what this process has consumed. */
const counters: Record<string, { help: string; count: (totals: Totals) => number }> = {
  consumed_messages: { help: "Messages that were consumed", count: ({ consumed }) => consumed },
  consuming_errors: { help: "Messages that were rejected", count: ({ refused }) => refused },
  written_reports: { help: "Reports that were stored", count: ({ stored }) => stored },
};

/**
 * Puts the db-writer's counters beside ours, under its namespace. Its others (feedback, SQL, endpoints) have
 * counterparts of ours only: docs/guides/migrating.md.
 */
export function addAggregatorMetrics(registry: Registry, namespace: string): void {
  for (const [name, { help, count }] of Object.entries(counters)) {
    const fullName = namespace === "" ? name : `${namespace}_${name}`;
    if (registry.getSingleMetric(fullName)) continue;
    new Counter({
      name: fullName,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(count(ingestTotals()));
      },
    });
  }
}
