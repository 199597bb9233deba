import { DeliveryError } from "../../errors.ts";
import { cleanText } from "../../text/clean.ts";
import { codePoints, cutText } from "../../text/cut.ts";
import { openFence } from "../../text/fences.ts";
import type { RenderedNotification } from "../claimed.ts";
import { moduleOf, titleOf } from "../title.ts";
import { fillUrl } from "../url_template.ts";

export interface ServiceLogEntryOptions {
  /** Template with `{cluster_id}`, `{module}` (component without `.report`, dots kept) and `{error_key}`. */
  ruleUrl: string;
  createdBy: string;
  username: string;
}

/** Both count characters (Unicode code points): the columns behind the Service Log are `varchar`. */
const longestSummary = 255;
const longestDescription = 4000;

/** In place of the reason, which speaks of what is the case. */
const gone = "The newest report of the cluster does not have this problem any more.";

/** The reason with the link below it; a reason that is too long loses its end, never the link. */
function describe(reason: string, url: string): string {
  const link = `[More details](${url}).`;
  const room = longestDescription - codePoints(link) - 2;
  // A cut link leads nowhere. Only an error key of thousands of characters gets here.
  if (room < 0) return cutText(reason, longestDescription);
  if (reason.trim() === "") return link;
  let text = cutText(reason, room);
  const fence = openFence(text);
  if (fence !== undefined) {
    // A code block that stays open, because of the cut or of its author, would swallow the link.
    text = cutText(reason, Math.max(0, room - codePoints(fence) - 1));
    const still = openFence(text);
    if (still !== undefined) text += `\n${still}`;
  }
  return `${text}\n\n${link}`;
}

/**
 * Turns a claimed row with exactly one issue into the body of a Service Log entry. Pure. `event_stream_id`
 * carries our message id, the only thing by which an entry can be found again.
 * Contract: reference/anchors.md §2.8, incumbent-service.md §6.
 *
 * @throws DeliveryError "schema", permanent, when the row does not have exactly one issue.
 */
export function buildServiceLogEntry(
  row: RenderedNotification,
  options: ServiceLogEntryOptions,
): Record<string, unknown> {
  const [issue, ...others] = row.issues;
  if (issue === undefined || others.length > 0) {
    throw new DeliveryError(
      "schema",
      `A Service Log entry has one issue, this row has ${row.issues.length}.`,
      {
        permanent: true,
      },
    );
  }
  const url = fillUrl(options.ruleUrl, {
    cluster_id: row.cluster,
    module: cleanText(moduleOf(issue.component)),
    error_key: cleanText(issue.error_key),
  });
  return {
    cluster_uuid: row.cluster,
    summary: cutText(`${row.resolved ? "Resolved: " : ""}${titleOf(issue, "markdown")}`, longestSummary),
    description: describe(row.resolved ? gone : cleanText(issue.reason), url),
    service_name: "CCX Notification Service",
    severity: issue.severity,
    created_by: options.createdBy,
    username: options.username,
    event_stream_id: row.message_id,
  };
}
