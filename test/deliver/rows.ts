import type { RenderedIssue, RenderedNotification } from "../../src/deliver/claimed.ts";

export const cluster = "c8590f31-e97e-4b85-b506-c45ce1911a12";
export const messageId = "6f1d1f7e-3b0a-4c55-8a63-1d8c0d6f2a10";

function anIssue(changes: Partial<RenderedIssue> = {}): RenderedIssue {
  return {
    component: "ccx_rules_ocp.external.rules.nodes_requirements_check.report",
    error_key: "NODES_MINIMUM_REQUIREMENTS_NOT_MET",
    total_risk: 3,
    content_id: "1",
    details: {},
    severity: "IMPORTANT",
    description: "Nodes are too small",
    reason: "The node **foo1** has 8 GiB.",
    ...changes,
  };
}

export function aRow(
  changes: Partial<RenderedNotification> = {},
  ...issues: Partial<RenderedIssue>[]
): RenderedNotification {
  return {
    id: "42",
    message_id: messageId,
    attempt: 1,
    org_id: "1234567",
    account_number: "0",
    cluster,
    updated_at: "2026-08-22T10:14:59.000000Z",
    decided_at: "2026-08-22T10:12:00.000000Z",
    first_tried_at: "2026-08-22T10:15:30.123456Z",
    resolved: false,
    traceparent: null,
    issues: issues.length > 0 ? issues.map(anIssue) : [anIssue()],
    ...changes,
  };
}
