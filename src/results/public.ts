import { z } from "zod";
import { type Operation, operation, Refused } from "./operation.ts";
import * as shapes from "./shapes.ts";
import { partsOf } from "./shapes.ts";
import * as sql from "./sql.ts";

/** The paths that OCM, Advisor, ACM and the Insights Operator call. */

const isInternal = (module: string): boolean => ["internal", "ocs"].includes(module.split(".")[1] ?? "");

const operators = /^(?:insights-operator|acm-operator)\//;

/** Throws Refused when the rule is one of the vendor's own, and the organization is not to see those. */
function requireVisible(who: { seesInternal: boolean }, module: string): void {
  if (!who.seesInternal && isInternal(module))
    throw new Refused(403, "This organization is not allowed to access this recommendation");
}

const getDisabled = z.strictObject({ get_disabled: shapes.flag.default(false) });
const noRule = () => ({ status: "Rule was not found" });
const unknownCluster = ({ params }: { params: { cluster: string } }) => ({
  status: `Item with ID ${params.cluster} was not found in the storage`,
});

const unavailable = (service: string) => () => ({
  status: 503,
  body: { status: `${service} is unreachable` },
});

const info = operation("info", "GET", "/info", {
  summary: "Which program answers",
  isOpen: true,
  answers: shapes.info,
  answer: () => ({
    status: 200,
    body: { info: { SmartProxy: {}, Aggregator: {}, ContentService: {} }, status: "ok" },
  }),
});

const entry = operation("entry", "GET", "/", {
  summary: "That somebody answers",
  answers: shapes.done,
  answer: () => ({ status: 200, body: { status: "ok" } }),
});

const groups = operation("groups", "GET", "/groups", {
  summary: "The groups of rules",
  answers: shapes.groups,
  answer: ({ db }) => sql.groups(db),
});

export const v2: readonly Operation[] = [
  entry,
  info,
  groups,
  operation("report", "GET", "/cluster/{cluster}/reports", {
    summary: "The newest report of a cluster",
    query: getDisabled,
    answers: shapes.report,
    answer: ({ db, who, params, query }) =>
      sql.report(
        db,
        who.orgId,
        who.userId,
        params.cluster,
        2,
        query.get_disabled,
        "managed",
        who.seesInternal,
      ),
  }),
  operation("cluster", "GET", "/cluster/{cluster}/info", {
    summary: "Name and state of a cluster",
    answers: shapes.clusterInfo,
    answer: ({ db, who, params }) => sql.cluster(db, who.orgId, params.cluster),
  }),
  operation("requests", "GET", "/cluster/{cluster}/requests", {
    summary: "The uploads of a cluster of the last day",
    answers: shapes.requests,
    answer: ({ db, who, params }) => sql.requests(db, who.orgId, params.cluster, null),
  }),
  operation("these_requests", "POST", "/cluster/{cluster}/requests", {
    summary: "What is known of these uploads",
    body: z.array(shapes.requestId).max(1_000, "at most 1000 requests can be named at once"),
    answers: shapes.requests,
    answer: ({ db, who, params, body }) => sql.requests(db, who.orgId, params.cluster, body),
  }),
  operation("request_status", "GET", "/cluster/{cluster}/request/{request_id}/status", {
    summary: "What became of an upload",
    answers: shapes.requestStatus,
    answer: ({ db, who, params }) => sql.requestStatus(db, who.orgId, params.cluster, params.request_id),
  }),
  operation("request_report", "GET", "/cluster/{cluster}/request/{request_id}/report", {
    summary: "What an upload hit",
    answers: shapes.requestReport,
    answer: ({ db, who, params }) =>
      sql.requestReport(db, who.orgId, params.cluster, params.request_id, who.seesInternal),
  }),
  operation("clusters", "GET", "/clusters", {
    summary: "The clusters of the organization with their hits; by pages with `limit` and `after`",
    query: z.strictObject({
      limit: z
        .string()
        .regex(/^[1-9]\d{0,4}$/, "has to be a number from 1 to 99999")
        .transform(Number)
        .optional(),
      after: shapes.cluster.optional(),
    }),
    answers: shapes.clusters,
    answer: ({ db, who, query }) =>
      sql.clusters(db, who.orgId, who.seesInternal, query.after ?? null, query.limit ?? null),
  }),
  operation("rules", "GET", "/rule", {
    summary: "All rules; `impacting`: only those that hit clusters, or none",
    query: z.strictObject({ impacting: shapes.flag.optional() }),
    answers: shapes.rules,
    answer: ({ db, who, query }) => sql.rules(db, who.orgId, query.impacting ?? null, who.seesInternal),
  }),
  operation("rule", "GET", "/rule/{rule_selector}", {
    summary: "What a rule says, and what the organization says of it",
    answers: shapes.oneRule,
    answer: ({ db, who, params }) => {
      const { module, key } = partsOf(params.rule_selector);
      requireVisible(who, module);
      return sql.rule(db, who.orgId, module, key, false);
    },
  }),
  operation("rule_content", "GET", "/rule/{rule_selector}/content", {
    summary: "What a rule says",
    answers: shapes.oneRuleContent,
    answer: ({ db, who, params }) => {
      const { module, key } = partsOf(params.rule_selector);
      requireVisible(who, module);
      return sql.rule(db, who.orgId, module, key, true);
    },
  }),
  operation("rule_clusters", "GET", "/rule/{rule_selector}/clusters_detail", {
    summary: "The clusters that a rule hits, and those for which it is switched off",
    answers: shapes.ruleClusters,
    answer: ({ db, who, params }) => {
      const { module, key } = partsOf(params.rule_selector);
      requireVisible(who, module);
      return sql.ruleClusters(db, who.orgId, module, key);
    },
  }),
  operation("acks", "GET", "/ack", {
    summary: "The acknowledgements of the organization",
    answers: shapes.acks,
    answer: ({ db, who }) => sql.acks(db, who.orgId),
  }),
  operation("ack_rule", "POST", "/ack", {
    summary: "Acknowledge a rule: 201, or 200 when it was so already and only the justification changes",
    body: shapes.ackBody,
    answers: { 200: shapes.ack, 201: shapes.ack },
    answer: async ({ db, who, body }) => {
      const { module, key } = partsOf(body.rule_id);
      const done = await sql.ackRule(db, who.orgId, who.userId, module, key, body.justification);
      return { status: done.created ? 201 : 200, body: done.body };
    },
  }),
  operation("ack", "GET", "/ack/{rule_selector}", {
    summary: "One acknowledgement",
    answers: shapes.ack,
    answer: ({ db, who, params }) => {
      const { module, key } = partsOf(params.rule_selector);
      return sql.ack(db, who.orgId, module, key);
    },
    missing: () => undefined,
  }),
  operation("change_ack", "PUT", "/ack/{rule_selector}", {
    summary: "Change its justification",
    body: shapes.justificationBody,
    answers: shapes.ack,
    answer: ({ db, who, params, body }) => {
      const { module, key } = partsOf(params.rule_selector);
      return sql.changeAck(db, who.orgId, module, key, body.justification);
    },
    missing: noRule,
  }),
  operation("end_ack", "DELETE", "/ack/{rule_selector}", {
    summary: "Take it back",
    answers: { 204: undefined },
    answer: async ({ db, who, params }) => {
      const { module, key } = partsOf(params.rule_selector);
      const { body } = await sql.endAck(db, who.orgId, module, key);
      return body === null ? { body } : { status: 204, body: undefined };
    },
    missing: () => undefined,
  }),
  operation("rate", "POST", "/rating", {
    summary: "Rate a rule: -1, 0 or 1",
    body: shapes.rating,
    answers: shapes.rating,
    answer: ({ db, who, body }) => {
      const { module, key } = partsOf(body.rule);
      return sql.rate(db, who.orgId, module, key, body.rating);
    },
  }),
  operation("content", "GET", "/content", {
    summary: "Everything that rules say; impacts by number",
    answers: shapes.content,
    answer: ({ db, who }) => sql.content(db, 2, who.seesInternal, null),
  }),
  operation("workloads", "GET", "/namespaces/dvo", {
    summary: "The namespaces that there are recommendations about, counted",
    answers: shapes.workloads,
    answer: ({ db, who }) => sql.workloads(db, who.orgId, who.seesInternal),
  }),
  operation("workload", "GET", "/namespaces/dvo/{namespace}/cluster/{cluster}", {
    summary: "What is recommended about the objects of one namespace",
    answers: shapes.workload,
    answer: ({ db, who, params }) =>
      sql.workload(db, who.orgId, params.cluster, params.namespace, who.seesInternal),
    missing: ({ params }) => ({
      status:
        `Item with ID cluster=${params.cluster};namespace=${params.namespace} was not found in the ` +
        `storage`,
    }),
  }),
  operation("upgrade_risks", "GET", "/cluster/{cluster}/upgrade-risks-prediction", {
    summary: "Not here: another service predicts risks of upgrades",
    answers: { 503: shapes.failure },
    answer: unavailable("Upgrade risks prediction service"),
  }),
  operation("many_upgrade_risks", "POST", "/upgrade-risks-prediction", {
    summary: "Not here: another service predicts risks of upgrades",
    body: shapes.clustersBody,
    answers: { 503: shapes.failure },
    answer: unavailable("Upgrade risks prediction service"),
  }),
];

const toggled = (id: string, verb: string, summary: string, isDisabled: boolean): Operation =>
  operation(id, "PUT", `/clusters/{cluster}/rules/{rule_id}/error_key/{error_key}/${verb}`, {
    summary,
    answers: shapes.done,
    answer: ({ db, who, params }) =>
      sql.toggle(db, who.orgId, params.cluster, params.rule_id, params.error_key, isDisabled),
    missing: unknownCluster,
  });

const voted = (id: string, summary: string, vote: number): Operation =>
  operation(id, "PUT", `/clusters/{cluster}/rules/{rule_id}/error_key/{error_key}/${id}`, {
    summary,
    body: shapes.messageBody.partial(),
    bodyIsOptional: true,
    answers: shapes.done,
    answer: ({ db, who, params, body }) =>
      sql.vote(
        ...([db, who.orgId, who.userId, params.cluster, params.rule_id, params.error_key, vote] as const),
        body?.message,
      ),
    missing: unknownCluster,
  });

const eligible = z.strictObject({ ...getDisabled.shape, osd_eligible: shapes.flag.default(false) });

const reportV1 = (
  id: string,
  path: "/clusters/{cluster}/report" | "/report/{organization}/{cluster}",
): Operation =>
  operation(id, "GET", path, {
    summary: "The newest report of a cluster; an organization in the path is not looked at",
    query: eligible,
    answers: shapes.reportV1,
    answer: ({ db, who, params: { cluster }, query, userAgent }) =>
      sql.report(
        ...([db, who.orgId, who.userId, cluster, 1, query.get_disabled] as const),
        query.osd_eligible ? "always" : operators.test(userAgent) ? "managed" : "never",
        who.seesInternal,
      ),
    missing: unknownCluster,
  });

export const v1: readonly Operation[] = [
  entry,
  info,
  groups,
  reportV1("report", "/clusters/{cluster}/report"),
  reportV1("org_report", "/report/{organization}/{cluster}"),
  operation("report_info", "GET", "/clusters/{cluster}/report/info", {
    summary: "How many hits the newest report has (-1: none), and its times",
    answers: shapes.reportInfo,
    answer: ({ db, who, params }) => sql.reportInfo(db, who.orgId, params.cluster, who.seesInternal),
  }),
  operation("reports", "GET", "/clusters/{clusters}/reports", {
    summary: "The newest reports of several clusters, as they are stored",
    answers: shapes.reports,
    answer: ({ db, who, params }) => sql.reports(db, who.orgId, params.clusters, who.seesInternal),
  }),
  operation("these_reports", "POST", "/clusters/reports", {
    summary: "The same; the clusters are in the body",
    body: shapes.reportsBody,
    answers: shapes.reports,
    answer: ({ db, who, body }) => sql.reports(db, who.orgId, body.clusters, who.seesInternal),
  }),
  operation("hit", "GET", "/clusters/{cluster}/rules/{rule_selector}/report", {
    summary: "One hit of the newest report",
    query: z.strictObject({ osd_eligible: shapes.flag.default(false) }),
    answers: shapes.oneHit,
    answer: ({ db, who, params, query }) => {
      const { module, key } = partsOf(params.rule_selector);
      requireVisible(who, module);
      return sql.hit(db, who.orgId, who.userId, params.cluster, module, key, query.osd_eligible);
    },
    missing: noRule,
  }),
  voted("like", "Like an issue", 1),
  voted("dislike", "Dislike an issue", -1),
  voted("reset_vote", "Neither like nor dislike an issue", 0),
  toggled("disable", "disable", "Switch a rule off for a cluster: nobody is notified of it", true),
  toggled("enable", "enable", "Switch it on again", false),
  operation(
    "disable_feedback",
    "POST",
    "/clusters/{cluster}/rules/{rule_id}/error_key/{error_key}/disable_feedback",
    {
      summary: "Why it was switched off",
      body: shapes.messageBody,
      answers: shapes.message,
      answer: ({ db, who, params, body }) =>
        sql.disableFeedback(
          ...([db, who.orgId, who.userId, params.cluster, params.rule_id, params.error_key] as const),
          body.message,
        ),
      missing: unknownCluster,
    },
  ),
  operation("overview", "GET", "/org_overview", {
    summary: "How many clusters of the organization are hit, and how often by what",
    answers: shapes.overview,
    answer: ({ db, who }) => sql.overview(db, who.orgId, null, who.seesInternal),
  }),
  operation("overview_of", "POST", "/org_overview", {
    summary: "The same of these clusters",
    body: shapes.clustersBody,
    answers: shapes.overview,
    answer: ({ db, who, body }) => sql.overview(db, who.orgId, body.clusters, who.seesInternal),
  }),
  operation("org_clusters", "GET", "/organizations/{organization}/clusters", {
    summary: "The clusters that have reported",
    answers: shapes.orgClusters,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.orgClusters(db, who.orgId);
    },
  }),
  operation("rule_ids", "GET", "/rule_ids", {
    summary: "The modules of all rules",
    answers: shapes.ruleIds,
    answer: ({ db, who }) => sql.ruleIds(db, who.seesInternal),
  }),
  operation("content", "GET", "/content", {
    summary: "Everything that rules say; impacts by name",
    answers: shapes.contentV1,
    answer: ({ db, who }) => sql.content(db, 1, who.seesInternal, null),
  }),
  operation("module_content", "GET", "/rules/{rule_id}/content", {
    summary: "What the error keys of one rule say",
    answers: shapes.moduleContent,
    answer: ({ db, who, params }) => {
      requireVisible(who, params.rule_id);
      return sql.content(db, 1, who.seesInternal, params.rule_id);
    },
  }),
];

/** Throws Refused (403) when an organization asks for another one's. */
export function requireOwn(own: string, asked: string): void {
  if (own !== asked)
    throw new Refused(
      403,
      `you have no permissions to get or change info about the organization with ID ${asked}; you can ` +
        `access info about organization with ID ${own}`,
    );
}
