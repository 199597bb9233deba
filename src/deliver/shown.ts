import type { Pool } from "pg";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { ContentTexts } from "../content/render/texts.ts";
import type { ClaimedIssue, ClaimedNotification, RenderedIssue, RenderedNotification } from "./claimed.ts";
import { buildNotificationMessage, type NotificationUrls } from "./notifications_backend/message.ts";
import { notificationsBackendTexts } from "./notifications_backend/target.ts";
import type { TargetName } from "./outbox.ts";
import { renderAll } from "./rendered.ts";
import { buildServiceLogEntry, type ServiceLogEntryOptions } from "./service_log/entry.ts";
import { serviceLogTexts } from "./service_log/target.ts";
import * as sql from "./sql.ts";
import { titleOf } from "./title.ts";

const textsOf = { "notifications backend": notificationsBackendTexts, "service log": serviceLogTexts };

/** An issue of a message as its receiver gets it; `error`: why it has no texts. */
export type ShownIssue = {
  rule: string;
  total_risk: number | null;
  title: string;
  reason: string;
  error: string;
};

/** A message with the texts that its receiver gets. */
export type ShownMessage = {
  target: string;
  org_id: string;
  cluster: string;
  state: string;
  ended_at: string | null;
  /** False: the details that the texts speak of are not there any more. */
  report_is_kept: boolean;
  issues: ShownIssue[];
  /**
   * What goes over the wire, as JSON; null: nothing is left of it. A message that was not tried yet has the
   * time of its decision.
   */
  body: unknown;
};

/** What bodies are made with besides the message. */
export type BodyOptions = { backend: NotificationUrls; serviceLog: ServiceLogEntryOptions };

/** Those of the configuration. */
export const bodyOptionsOf = (config: Config): BodyOptions => ({
  backend: { clusterUrl: config.clusterUrl, ruleUrl: config.ruleUrl },
  serviceLog: {
    ruleUrl: config.serviceLogRuleUrl,
    createdBy: config.serviceLogCreatedBy,
    username: config.serviceLogUsername,
  },
});

/**
 * The texts of a message, made as they were, or will be, made for its target; undefined when there is no such
 * message.
 */
export async function shownMessage(
  pool: Pool,
  id: string,
  log: Logger,
  options: BodyOptions,
): Promise<ShownMessage | undefined> {
  const message = await sql.messageIssues(pool, id);
  if (!message) return undefined;
  const { target, state, ended_at, report_is_kept, resolved } = message;
  const texts = await ContentTexts.create(pool, log);
  const issues: ShownIssue[] = [];
  const said: RenderedIssue[] = [];
  try {
    // one by one, so that what cannot be rendered stays in its place
    for (const issue of message.issues ?? []) {
      const { shown, rendered } = await renderedOne(issue, { target: target as TargetName, resolved }, texts);
      issues.push(shown);
      if (rendered) said.push(rendered);
    }
  } finally {
    texts.dispose();
  }
  const { message_id, org_id, account_number, cluster, updated_at, decided_at, first_tried_at } = message;
  const row: RenderedNotification = {
    ...{ id, message_id, attempt: 1, org_id, account_number, cluster, updated_at, decided_at, resolved },
    ...{ first_tried_at: first_tried_at ?? decided_at, traceparent: null, issues: said },
  };
  const body = said.length === 0 ? null : bodyOf(target as TargetName, row, options);
  return { target, org_id, cluster, state, ended_at, report_is_kept, issues, body };
}

/** One issue with its texts, whether or not a message names it. */
export async function shownIssue(
  pool: Pool,
  issue: ClaimedIssue,
  how: { target: string; resolved: boolean },
  log: Logger,
): Promise<ShownIssue> {
  const texts = await ContentTexts.create(pool, log);
  try {
    return (await renderedOne(issue, how as { target: TargetName; resolved: boolean }, texts)).shown;
  } finally {
    texts.dispose();
  }
}

async function renderedOne(
  issue: ClaimedIssue,
  { target, resolved }: { target: TargetName; resolved: boolean },
  texts: ContentTexts,
): Promise<{ shown: ShownIssue; rendered: RenderedIssue | undefined }> {
  const how = textsOf[target];
  const row = { id: "0", resolved, issues: [issue] } as unknown as ClaimedNotification;
  const { rows, failed } = await renderAll([row], how, texts);
  const [rendered] = rows[0]?.issues ?? [];
  const shown = {
    rule: `${issue.component}|${issue.error_key}`,
    total_risk: issue.total_risk,
    title: rendered ? titleOf(rendered, how.format) : "",
    reason: rendered?.reason ?? "",
    error: failed[0]?.error.message ?? "",
  };
  return { shown, rendered };
}

function bodyOf(
  target: TargetName,
  row: RenderedNotification,
  { backend, serviceLog }: BodyOptions,
): unknown {
  return target === "service log"
    ? buildServiceLogEntry(row, serviceLog)
    : JSON.parse(buildNotificationMessage(row, backend).value);
}
