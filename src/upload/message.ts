import type { Message } from "kafkajs";
import type { ClaimedAnnouncement, ClaimedStatus } from "./claimed.ts";

/** What consumers find in `stale_timestamp` where the client said nothing about its archive. */
const never = "0001-01-01T00:00:00Z";

/** An announcement, member by member as the ingress before us writes it; `url` leads to the archive. */
export function announcementOf(
  row: ClaimedAnnouncement,
  url: string,
  traceparent: string | undefined,
): Message {
  const { metadata } = row;
  const { queue_key, ...given } = metadata ?? {};
  const value = {
    account: row.account_number,
    category: row.category,
    content_type: row.content_type,
    metadata: {
      ...given,
      ...(queue_key !== undefined && { queue_key }),
      reporter: metadata ? "ingress" : "",
      stale_timestamp: metadata ? row.stale_at.toISOString() : never,
    },
    request_id: row.request_id,
    principal: row.principal,
    org_id: row.org_id ?? "",
    service: row.service,
    size: row.size,
    url,
    b64_identity: row.b64_identity,
    timestamp: row.received_at,
  };
  const key = typeof queue_key === "string" && queue_key !== "" ? queue_key : null;
  return {
    key,
    value: JSON.stringify(value),
    headers: { service: row.service, ...(traceparent && { traceparent }) },
  };
}

/** A message for the payload tracker. */
export function statusOf(row: ClaimedStatus): Message {
  const value = {
    service: row.service,
    account: row.account_number,
    org_id: row.org_id ?? "",
    request_id: row.request_id,
    status: row.status,
    status_msg: row.status_msg ?? "",
    date: row.noted_at.toISOString(),
  };
  return { key: null, value: JSON.stringify(value) };
}
