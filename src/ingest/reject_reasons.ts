/**
 * Why a message of a topic of results was not taken; stored in `rejected_message` and counted in metrics.
 */
export const rejectReasons = [
  "tombstone",
  "empty",
  "too_large",
  "bad_compression",
  "invalid_utf8",
  "nul_character",
  "invalid_surrogate",
  "too_deep",
  "invalid_number",
  "not_json",
  "not_object",
  "missing_org_id",
  "invalid_org_id",
  "invalid_account_number",
  "missing_cluster_name",
  "invalid_cluster_name",
  "missing_report",
  "invalid_report",
  "missing_last_checked",
  "invalid_last_checked",
  "future_last_checked",
  "invalid_version",
  "not_storable",
  "timed_out",
  "unreadable_batch",
] as const;
export type RejectReason = (typeof rejectReasons)[number];
