import { cleanText } from "../../text/clean.ts";
import type { RenderedNotification } from "../claimed.ts";
import { titleOf } from "../title.ts";
import { fillUrl } from "../url_template.ts";

/** A message for `platform.notifications.ingress`, as kafkajs takes it. */
export interface NotificationMessage {
  key: string;
  value: string;
  headers: { "rh-message-id": string; traceparent?: string };
}

export interface NotificationUrls {
  /** Template with `{cluster_id}`. */
  clusterUrl: string;
  /** Template with `{cluster_id}`, `{module}` (full component, `|` for `.`) and `{error_key}`. */
  ruleUrl: string;
}

/** The receiver's e-mail template knows the risks 1 to 4 only; an unknown risk counts as the lowest. */
function knownRisk(totalRisk: number | null): number {
  return Math.min(4, Math.max(1, totalRisk ?? 1));
}

/**
 * Turns a claimed row into the notification of one cluster: one event per issue. Pure: the same row gives the
 * same bytes on every try, so that the receiver recognises a repetition by its id. The key keeps the messages
 * of a cluster in order. There is no `severity`: the receiver works it out from the risks of the events, and
 * knows none but CRITICAL for this event type. `resolved-recommendation` is sent only where a policy says
 * that the receiver knows it (receiver_knows_resolved). Contract: reference/anchors.md §2.2–2.6.
 */
export function buildNotificationMessage(
  row: RenderedNotification,
  urls: NotificationUrls,
): NotificationMessage {
  const cluster_id = row.cluster;
  const action = {
    version: "2.0.0",
    id: row.message_id,
    bundle: "openshift",
    application: "advisor",
    event_type: row.resolved ? "resolved-recommendation" : "new-recommendation",
    // The receiver remembers the id for a day from this time on; so it is the one that we count from, too.
    timestamp: row.first_tried_at,
    org_id: row.org_id,
    account_id: row.account_number === "0" ? null : row.account_number,
    context: {
      display_name: cluster_id,
      host_url: fillUrl(urls.clusterUrl, { cluster_id }),
    },
    events: row.issues.map((issue) => {
      const component = cleanText(issue.component);
      const error_key = cleanText(issue.error_key);
      return {
        metadata: {},
        payload: {
          rule_description: titleOf(issue, "html"),
          rule_url: fillUrl(urls.ruleUrl, { cluster_id, module: component.replaceAll(".", "|"), error_key }),
          total_risk: String(knownRisk(issue.total_risk)),
          publish_date: row.updated_at,
        },
      };
    }),
    recipients: [],
  };
  const headers = {
    "rh-message-id": row.message_id,
    ...(row.traceparent !== null && { traceparent: row.traceparent }),
  };
  return { key: cluster_id, value: JSON.stringify(action), headers };
}
