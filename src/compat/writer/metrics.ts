import type { Registry } from "prom-client";
import { ingestTotals } from "../../ingest/metrics.ts";
import { addCounters, type CountedAs } from "../counters.ts";

/** What each counter of the incumbent counts, worked out from what this process has consumed. */
const counters: CountedAs = {
  consumed_messages: { help: "Messages that were consumed", count: () => ingestTotals().consumed },
  consuming_errors: { help: "Messages that were rejected", count: () => ingestTotals().refused },
  parse_incoming_message: {
    help: "Messages that were read and have the right fields",
    count: () => ingestTotals().consumed - ingestTotals().unread,
  },
  check_schema_version: {
    help: "Messages whose version was looked at",
    count: () => ingestTotals().consumed - ingestTotals().unread,
  },
  marshal_report: {
    help: "Reports that were written out",
    count: () => ingestTotals().consumed - ingestTotals().unread,
  },
  shrink_report: {
    help: "Reports that were shrunk to what is stored",
    count: () => ingestTotals().consumed - ingestTotals().unread,
  },
  check_last_checked_timestamp: {
    help: "Messages whose time is right",
    count: () => ingestTotals().consumed - ingestTotals().refused,
  },
  stored_messages: { help: "Reports that were stored", count: () => ingestTotals().stored },
  stored_bytes: { help: "Bytes of the reports that were stored", count: () => ingestTotals().storedBytes },
};

/** Puts the incumbent's counters beside ours, under its namespace. */
export const addIncumbentCounters = (registry: Registry, namespace: string): void =>
  addCounters(registry, namespace, counters);
