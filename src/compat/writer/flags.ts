import type { Flag } from "../flags.ts";

const flag = (name: string, usage: string): Flag => ({ name, type: "flag", usage });

/** The flags of ccx-notification-writer. */
export const writerFlags: readonly Flag[] = [
  flag("version", "show version"),
  flag("authors", "show authors"),
  flag("show-configuration", "show configuration"),
  flag("check-kafka", "check connection to Kafka"),
  flag("db-init", "perform database initialization"),
  flag("db-cleanup", "perform database cleanup"),
  flag("db-drop-tables", "drop all tables from database"),
  flag("db-init-migration", "initialize migration"),
  flag("print-new-reports-for-cleanup", "print new reports to be cleaned up"),
  flag("new-reports-cleanup", "perform new reports clean up"),
  flag("print-old-reports-for-cleanup", "print old reports to be cleaned up"),
  flag("old-reports-cleanup", "perform old reports clean up"),
  flag("print-read-errors-for-cleanup", "print records from read_errors table to be cleaned up"),
  flag("read-errors-cleanup", "perform clean up of read_errors table"),
  flag("migration-info", "prints migration info"),
  { name: "migrate", type: "text", usage: "set database version" },
  flag("truncate-old-reports", "truncate the reported table"),
  { name: "max-age", type: "text", usage: "max age for displaying/cleaning old records" },
];
