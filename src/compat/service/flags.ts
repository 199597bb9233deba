import type { Flag } from "../flags.ts";

/** The flags of ccx-notification-service. */
export const serviceFlags: readonly Flag[] = [
  { name: "instant-reports", type: "flag", usage: "create instant reports" },
  {
    name: "ignore-disabled-rules",
    type: "flag",
    usage: "do not read disabled rules from the aggregator database",
  },
  { name: "verbose", type: "flag", usage: "verbose logs" },
  { name: "cleanup-on-startup", type: "flag", usage: "perform database clean up on startup" },
  { name: "max-age", type: "text", usage: "max age for displaying/cleaning old records" },
  {
    name: "print-new-reports-for-cleanup",
    type: "flag",
    usage: "print new reports to be cleaned up",
  },
  { name: "new-reports-cleanup", type: "flag", usage: "perform new reports clean up" },
  {
    name: "print-old-reports-for-cleanup",
    type: "flag",
    usage: "print old reports to be cleaned up",
  },
  { name: "old-reports-cleanup", type: "flag", usage: "perform old reports clean up" },
  { name: "show-version", type: "flag", usage: "show version and exit" },
  { name: "show-authors", type: "flag", usage: "show authors and exit" },
  { name: "show-configuration", type: "flag", usage: "show configuration and exit" },
];
