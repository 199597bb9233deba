import { Counter, type Registry } from "prom-client";
import { ingestTotals } from "../../ingest/metrics.ts";

type Totals = ReturnType<typeof ingestTotals>;

/** What each counter of the incumbent counts, worked out from what this process has consumed. */
const counters: Record<string, { help: string; count: (totals: Totals) => number }> = {
  consumed_messages: { help: "Messages that were consumed", count: ({ consumed }) => consumed },
  consuming_errors: { help: "Messages that were rejected", count: ({ refused }) => refused },
  parse_incoming_message: {
    help: "Messages that were read and have the right fields",
    count: ({ consumed, unread }) => consumed - unread,
  },
  check_schema_version: {
    help: "Messages whose version was looked at",
    count: ({ consumed, unread }) => consumed - unread,
  },
  marshal_report: {
    help: "Reports that were written out",
    count: ({ consumed, unread }) => consumed - unread,
  },
  shrink_report: {
    help: "Reports that were shrunk to what is stored",
    count: ({ consumed, unread }) => consumed - unread,
  },
  check_last_checked_timestamp: {
    help: "Messages whose time is right",
    count: ({ consumed, refused }) => consumed - refused,
  },
  stored_messages: { help: "Reports that were stored", count: ({ stored }) => stored },
  stored_bytes: { help: "Bytes of the reports that were stored", count: ({ storedBytes }) => storedBytes },
};

/** Puts the incumbent's counters beside ours, under its namespace. */
export function addIncumbentCounters(registry: Registry, namespace: string): void {
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

/** Their names, without the namespace. */
export const incumbentCounters: readonly string[] = Object.keys(counters);
