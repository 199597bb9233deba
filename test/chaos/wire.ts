import { Notifications } from "../support/kafka.ts";
import type { Stage } from "./stage.ts";

/** A message as a receiver got it; the same one may come several times. */
export type Received = { id: string; target: number; cluster: string; issues: string[] };

/**
 * Everything that both receivers got, in their own order. The topic's messages are checked against the
 * contract; of the Service Log's entries, which name the issue only in words, the rule is known by its
 * summary.
 */
export async function receivedBy(stage: Stage): Promise<Received[]> {
  const notifications = new Notifications(stage.client, stage.topics.notifications);
  try {
    const messages = await notifications.takeAll();
    const issues = await issuesBySummary(stage);
    return [
      ...messages.map(({ id, cluster, issues }) => ({ id, target: 1, cluster, issues })),
      ...stage.receiver.entries.map(({ body }) => ({
        id: body.event_stream_id ?? "",
        target: 2,
        cluster: body.cluster_uuid,
        issues: [issues.get(body.summary) ?? `unknown: ${body.summary}`],
      })),
    ];
  } finally {
    await notifications.close();
  }
}

async function issuesBySummary(stage: Stage): Promise<Map<string, string>> {
  const rows = await stage.query(
    "select description, rule_name || '|' || error_key as issue from rule_content where upper_inf(validity)",
  );
  return new Map(rows.map(({ description, issue }) => [String(description), String(issue)]));
}
