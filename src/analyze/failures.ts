/** Why an announcement does not conform; said by SQL read_announcement(), and the first four by us. */
export const announcementFailures = [
  ...["tombstone", "announcement_too_large", "unreadable", "invalid_utf8", "not_json", "not_object"],
  ...["no_request_id", "bad_url", "bad_identity", "no_org_id", "bad_timestamp", "future_timestamp"],
] as const;

/** Why an archive could not be fetched, unpacked or analyzed. */
export const archiveFailures = [
  // where it is
  ...["forbidden_url", "redirected", "not_found", "refused", "server_error", "unreachable", "too_slow"],
  ...["broken_off", "archive_too_large"],
  // what is in it
  ...["empty_archive", "not_an_archive", "truncated", "too_many_entries", "too_much_unpacked", "ratio"],
  ...["unsafe_path", "name_too_long", "link_or_device", "duplicate_name"],
  // whose it is; said by SQL analyze_archive()
  ...["no_cluster_id", "bad_cluster_id", "other_cluster", "other_organization"],
  // what became of it
  ...["not_storable", "engine_failed", "overloaded", "interrupted", "result_too_large", "result_refused"],
] as const;

/** Why a rule failed on an archive; said by SQL run_rule(), by us, and by the runner of Python rules. */
export const ruleFailures = [
  ...["raised", "timed_out", "too_many_rows", "no_key", "bad_key", "duplicate_key", "bad_details"],
  ...["details_too_large"],
] as const;

/** An archive that cannot be analyzed; whether it is tried again, SQL fail_analysis() decides. */
export class ArchiveError extends Error {
  override name = "ArchiveError";
  readonly failure: string;

  /** @param failure one of archiveFailures */
  constructor(failure: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}
