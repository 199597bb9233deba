import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

/**
 * The Grafana boards, from a list of what each shows: `npm run boards` writes them to deploy/grafana/boards,
 * and a test compares. Metrics of the database are the same from every process, so they are asked for by max().
 */

/** Grafana's names of units; "none" is a plain number. */
type Unit = "none" | "s" | "bytes" | "cps" | "percentunit";

type Panel = { title: string; unit: Unit; stacked?: true; lines: [legend: string, expression: string][] };

type Board = { uid: string; title: string; panels: Panel[] };

const rate = (metric: string, by: string) => `sum by (${by}) (rate(${metric}[$__rate_interval]))`;
const quantile = (share: number, metric: string, by = "") =>
  `histogram_quantile(${share}, sum by (le${by && `, ${by}`}) (rate(${metric}_bucket[$__rate_interval])))`;
const fleet = (metric: string, by = "") => (by ? `max by (${by}) (${metric})` : `max(${metric})`);

export const boards: readonly Board[] = [
  {
    uid: "ccx-report",
    title: "CCX notifications: the way of a report",
    panels: [
      {
        title: "Messages consumed",
        unit: "cps",
        stacked: true,
        lines: [["{{stream}}: {{outcome}}", rate("ccx_ingest_messages_total", "stream, outcome")]],
      },
      {
        title: "Rejected, by reason",
        unit: "cps",
        stacked: true,
        lines: [["{{stream}}: {{reason}}", rate("ccx_ingest_rejected_total", "stream, reason")]],
      },
      {
        title: "Lag of the consumer",
        unit: "none",
        lines: [["{{topic}} {{partition}}", fleet("ccx_consumer_lag_messages", "topic, partition")]],
      },
      {
        title: "Age of the newest report",
        unit: "s",
        lines: [["age", fleet("ccx_reports_newest_age_seconds")]],
      },
      {
        title: "Clusters that wait for a decision",
        unit: "none",
        lines: [
          ["clusters", fleet("ccx_decide_clusters_waiting")],
          ["changes to be asked about", fleet("ccx_decide_changes_waiting")],
        ],
      },
      {
        title: "Longest wait for a decision",
        unit: "s",
        lines: [["wait", fleet("ccx_decide_oldest_waiting_seconds")]],
      },
      {
        title: "Decisions",
        unit: "cps",
        lines: [["{{target}}: {{decision}}", rate("ccx_decide_decisions_total", "target, decision")]],
      },
      {
        title: "Why issues are held",
        unit: "cps",
        stacked: true,
        lines: [["{{reason}}", rate("ccx_decide_holds_total", "reason")]],
      },
      {
        title: "Duration of a batch, 95 of 100",
        unit: "s",
        lines: [
          ["ingest", quantile(0.95, "ccx_ingest_batch_duration_seconds")],
          ["decide", quantile(0.95, "ccx_decide_duration_seconds")],
        ],
      },
      {
        title: "Rules without content",
        unit: "none",
        lines: [["rules", fleet("ccx_content_missing_rules")]],
      },
    ],
  },
  {
    uid: "ccx-delivery",
    title: "CCX notifications: delivery",
    panels: [
      {
        title: "From the arrival of a report until the receiver has it",
        unit: "s",
        lines: [
          ["{{target}}, half", quantile(0.5, "ccx_deliver_seen_to_notified_seconds", "target")],
          ["{{target}}, 95 of 100", quantile(0.95, "ccx_deliver_seen_to_notified_seconds", "target")],
        ],
      },
      {
        title: "Attempts",
        unit: "cps",
        lines: [["{{target}}: {{outcome}}", rate("ccx_deliver_attempts_total", "target, outcome")]],
      },
      {
        title: "Failures",
        unit: "cps",
        stacked: true,
        lines: [["{{target}}: {{failure}}", rate("ccx_deliver_failures_total", "target, failure")]],
      },
      {
        title: "Messages that wait",
        unit: "none",
        lines: [["{{target}}", fleet("ccx_outbox_waiting_messages", "target")]],
      },
      {
        title: "Longest wait of a message",
        unit: "s",
        lines: [["{{target}}", fleet("ccx_outbox_oldest_waiting_seconds", "target")]],
      },
      {
        title: "Messages given up",
        unit: "none",
        lines: [["{{target}}", fleet("ccx_outbox_dead_messages", "target")]],
      },
      {
        title: "Circuits that are not closed",
        unit: "none",
        lines: [["{{target}}: {{state}}", fleet('ccx_circuit_in_state{state!="closed"}', "target, state")]],
      },
      {
        title: "Workers",
        unit: "none",
        lines: [
          ["alive", fleet("ccx_worker_alive")],
          ["silent", fleet("ccx_worker_silent")],
        ],
      },
    ],
  },
  {
    uid: "ccx-upload",
    title: "CCX notifications: uploads, analyses and the results API",
    panels: [
      {
        title: "Uploads",
        unit: "cps",
        stacked: true,
        lines: [["{{outcome}}", rate("ccx_upload_requests_total", "outcome")]],
      },
      {
        title: "Answer to an upload, 95 of 100",
        unit: "s",
        lines: [["uploads", quantile(0.95, "ccx_upload_duration_seconds")]],
      },
      {
        title: "Messages about uploads that wait or were given up",
        unit: "none",
        lines: [
          ["{{kind}} waits", fleet("ccx_upload_waiting_messages", "kind")],
          ["{{kind}} was given up", fleet("ccx_upload_dead_messages", "kind")],
        ],
      },
      {
        title: "Longest wait",
        unit: "s",
        lines: [
          ["{{kind}} to be sent", fleet("ccx_upload_oldest_waiting_seconds", "kind")],
          ["archive to be analyzed", fleet("ccx_analyze_oldest_waiting_seconds")],
          ["{{store}}: content to be removed", fleet("ccx_archive_overdue_seconds", "store")],
        ],
      },
      {
        title: "Archives",
        unit: "cps",
        stacked: true,
        lines: [["{{outcome}}", rate("ccx_analyze_archives_total", "outcome")]],
      },
      {
        title: "Failed analyses, by why",
        unit: "cps",
        stacked: true,
        lines: [["{{failure}}", rate("ccx_analyze_failures_total", "failure")]],
      },
      {
        title: "Archives that wait or were given up",
        unit: "none",
        lines: [
          ["wait for rules", fleet("ccx_analyze_waiting_archives")],
          ["results to be published", fleet("ccx_analyze_unpublished_results")],
          ["given up within a day", fleet("ccx_analyze_dead_archives")],
        ],
      },
      {
        title: "Rules",
        unit: "none",
        lines: [
          ["run", fleet("ccx_analyze_rules")],
          ["suspended", fleet("ccx_analyze_suspended_rules")],
        ],
      },
      {
        title: "Requests to the results API",
        unit: "cps",
        stacked: true,
        lines: [["{{status}}", rate("ccx_results_requests_total", "status")]],
      },
      {
        title: "Answer of the results API",
        unit: "s",
        lines: [
          ["half", quantile(0.5, "ccx_results_duration_seconds")],
          ["95 of 100", quantile(0.95, "ccx_results_duration_seconds")],
        ],
      },
    ],
  },
  {
    uid: "ccx-database",
    title: "CCX notifications: the database",
    panels: [
      {
        title: "Size of the largest tables",
        unit: "bytes",
        stacked: true,
        lines: [["{{relation}}", `topk(10, ${fleet("ccx_table_size_bytes", "relation")})`]],
      },
      {
        title: "Rows that vacuum has not removed",
        unit: "none",
        lines: [["{{relation}}", `topk(10, ${fleet("ccx_table_dead_rows", "relation")})`]],
      },
      {
        title: "Oldest transaction",
        unit: "s",
        lines: [
          ["open", fleet("ccx_postgres_oldest_transaction_seconds")],
          ["open and idle, or prepared", fleet("ccx_postgres_oldest_idle_transaction_seconds")],
        ],
      },
      {
        title: "Sessions",
        unit: "none",
        lines: [
          ["sessions", fleet("ccx_postgres_sessions")],
          ["that wait for a lock", fleet("ccx_postgres_sessions_waiting_for_lock")],
          ["allowed", fleet("ccx_postgres_max_sessions")],
        ],
      },
      {
        title: "Connections of each process",
        unit: "none",
        lines: [
          ["{{instance}}: {{state}}", "sum by (instance, state) (ccx_pool_connections)"],
          ["{{instance}}: statements that wait", "sum by (instance) (ccx_pool_waiting)"],
        ],
      },
      {
        title: "Stored days",
        unit: "none",
        lines: [
          ["{{parent}}", fleet("ccx_retention_stored_partitions", "parent")],
          ["{{parent}}, past but held", fleet("ccx_retention_held_partitions", "parent")],
        ],
      },
      {
        title: "Jobs",
        unit: "none",
        lines: [
          ["{{task}} is due", fleet("ccx_queue_ready_jobs", "task")],
          ["{{task}} has failed", fleet("ccx_queue_failed_jobs", "task")],
        ],
      },
      {
        title: "Write-ahead log kept for replication slots",
        unit: "bytes",
        lines: [["{{slot}}", fleet("ccx_replication_slot_retained_bytes", "slot")]],
      },
      {
        title: "Event loop of each process, 99 of 100",
        unit: "s",
        lines: [["{{instance}}", "max by (instance) (nodejs_eventloop_lag_p99_seconds)"]],
      },
    ],
  },
];

/** A board as Grafana reads it, two panels in a row. */
export function grafana({ uid, title, panels }: Board): string {
  const [width, height] = [12, 8];
  const board = {
    uid,
    title,
    tags: ["ccx-notifications"],
    timezone: "utc",
    schemaVersion: 39,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    panels: panels.map(({ title, unit, stacked, lines }, nth) => ({
      id: nth + 1,
      type: "timeseries",
      title,
      datasource: { type: "prometheus", uid: "prometheus" },
      gridPos: { x: (nth % 2) * width, y: Math.floor(nth / 2) * height, w: width, h: height },
      fieldConfig: {
        defaults: { unit, min: 0, custom: { stacking: { mode: stacked ? "normal" : "none" } } },
        overrides: [],
      },
      targets: lines.map(([legendFormat, expr], line) => ({
        refId: String.fromCharCode(65 + line),
        expr,
        legendFormat,
      })),
    })),
  };
  return `${JSON.stringify(board, null, 2)}\n`;
}

if (import.meta.main) {
  const folder = path.join(import.meta.dirname, "../deploy/grafana/boards");
  await mkdir(folder, { recursive: true });
  for (const board of boards) await writeFile(path.join(folder, `${board.uid}.json`), grafana(board));
}
