import { z } from "zod";
import { release } from "../version.ts";
import { type Operation, operation, type Reply } from "./operation.ts";
import { requireOwn } from "./public.ts";
import * as shapes from "./shapes.ts";
import { enveloped, partsOf } from "./shapes.ts";
import * as sql from "./sql.ts";

/**
 * The paths of the aggregator itself, for a smart proxy that calls it today. An organization in a path has to
 * be that of whoever asks; hits are shown whatever is known about them, internal rules included.
 */

const text = z.string();
const goTime = z.strictObject({ Time: text, Valid: z.boolean() });
const anyJson = z.unknown();
const hitMembers = {
  component: text,
  key: text,
  user_vote: z.int(),
  disabled: z.boolean(),
  disable_feedback: text,
  disabled_at: text,
  details: anyJson,
};
const report = enveloped({
  report: z.strictObject({
    meta: z.strictObject({
      cluster_name: text,
      count: z.int(),
      last_checked_at: text,
      gathered_at: text.optional(),
    }),
    reports: z.array(z.strictObject({ ...hitMembers, impacted: text })),
  }),
});
const toggle = z.strictObject({
  ...{ ClusterID: text, RuleID: text, ErrorKey: text, Disabled: z.literal(1) },
  ...{ DisabledAt: goTime, EnabledAt: goTime, UpdatedAt: goTime },
});
const toggles = enveloped({ rules: z.array(toggle) });
const reason = z.strictObject({
  ...{ ClusterID: text, RuleID: text, ErrorKey: text, Message: text, AddedAt: goTime, UpdatedAt: goTime },
});
const disabledCluster = z.strictObject({
  ...{ cluster_id: text, cluster_name: text, disabled_at: text, justification: text },
});
const ack = z.strictObject({
  ...{ org_id: z.int(), user_id: text, rule_id: text, error_key: text, justification: text },
  ...{ created_at: goTime, updated_at: goTime },
});
const version = z.strictObject({ cluster_version: text });
const hitCluster = z.strictObject({
  ...{ cluster: text, cluster_name: text, last_checked_at: text, impacted: text, meta: version },
});
const clusterRules = z.strictObject({ created_at: text, meta: version, recommendations: z.array(text) });

const justified = (body: { justification: string }): Reply => ({
  status: 200,
  body: { justification: body.justification, status: "ok" },
});

const unknownCluster = ({ params }: { params: { cluster: string } }) => ({
  status: `Item with ID ${params.cluster} was not found in the storage`,
});
const notFound = (id: string) => ({ status: `Item with ID ${id} was not found in the storage` });

const ofCluster = "/organizations/{organization}/clusters/{cluster}/users/{user_id}";
const ofRule = "/clusters/{cluster}/rules/{rule_id}/error_key/{error_key}/organizations/{organization}";
const ofAck = "/rules/{rule_id}/error_key/{error_key}/organizations/{organization}";

const voted = (id: string, vote: number): Operation =>
  operation(id, "PUT", `${ofRule}/users/{user_id}/${id}`, {
    summary: "What a user thinks of an issue",
    body: shapes.messageBody.partial(),
    bodyIsOptional: true,
    answers: shapes.done,
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.vote(
        ...([db, who.orgId, params.user_id, params.cluster, params.rule_id, params.error_key, vote] as const),
        ...([body?.message, true] as const),
      );
    },
    missing: unknownCluster,
  });

const toggled = (id: string, isDisabled: boolean): Operation =>
  operation(id, "PUT", `${ofRule}/${id}`, {
    summary: isDisabled ? "Switch a rule off for a cluster" : "Switch it on again",
    answers: shapes.done,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.toggle(db, who.orgId, params.cluster, params.rule_id, params.error_key, isDisabled, true);
    },
    missing: unknownCluster,
  });

const notSet = "*not set*";

export const aggregator: readonly Operation[] = [
  operation("entry", "GET", "/", {
    summary: "That somebody answers",
    answers: shapes.done,
    answer: () => ({ status: 200, body: { status: "ok" } }),
  }),
  operation("info", "GET", "/info", {
    summary: "Which program answers, and as which version of the aggregator's database",
    answers: enveloped({ info: z.record(text, text) }),
    answer: () => ({
      status: 200,
      body: {
        info: {
          ...{ BuildBranch: notSet, BuildCommit: notSet, BuildTime: notSet, BuildVersion: release },
          ...{ DVO_DB_version: "4", OCP_DB_version: "32", UtilsVersion: notSet },
        },
        status: "ok",
      },
    }),
  }),
  operation("org_clusters", "GET", "/organizations/{organization}/clusters", {
    summary: "The clusters that have reported",
    answers: shapes.orgClusters,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.orgClusters(db, who.orgId);
    },
  }),
  operation("report", "GET", `${ofCluster}/report`, {
    summary: "The newest report of a cluster",
    answers: report,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorReport(db, who.orgId, params.user_id, params.cluster);
    },
    missing: ({ params }) => notFound(`${params.organization}/${params.cluster}`),
  }),
  operation("report_info", "GET", `${ofCluster}/report/info`, {
    summary: "How many hits it has (-1: none), and its times",
    answers: shapes.reportInfo,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.reportInfo(db, who.orgId, params.cluster, true);
    },
    missing: ({ params }) => notFound(`${params.organization}/${params.cluster}`),
  }),
  operation("rule", "GET", `${ofCluster}/rules/{composite}`, {
    summary: "One hit of it",
    answers: enveloped({ report: z.strictObject(hitMembers) }),
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      const { module, key } = partsOf(params.composite);
      return sql.aggregatorRule(db, who.orgId, params.user_id, params.cluster, module, key);
    },
    missing: ({ params }) =>
      notFound(`${params.organization}/${params.cluster}/${params.composite.replace("|", "/")}`),
  }),
  operation("reports", "GET", "/organizations/{organization}/clusters/{clusters}/reports", {
    summary: "The newest reports of several clusters, as they are stored",
    answers: shapes.reports,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.reports(db, who.orgId, params.clusters, true);
    },
  }),
  operation("these_reports", "POST", "/organizations/{organization}/clusters/reports", {
    summary: "The same; the clusters are in the body",
    body: shapes.reportsBody,
    answers: shapes.reports,
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.reports(db, who.orgId, body.clusters, true);
    },
  }),
  voted("like", 1),
  voted("dislike", -1),
  voted("reset_vote", 0),
  toggled("disable", true),
  toggled("enable", false),
  operation("disable_feedback", "POST", `${ofRule}/users/{user_id}/disable_feedback`, {
    summary: "Why it was switched off",
    body: shapes.messageBody,
    answers: shapes.message,
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.disableFeedback(
        ...([db, who.orgId, params.user_id, params.cluster, params.rule_id, params.error_key] as const),
        ...([body.message, true] as const),
      );
    },
    missing: unknownCluster,
  }),
  operation("disabled", "GET", "/rules/organizations/{organization}/disabled", {
    summary: "The rules that are switched off for clusters",
    answers: toggles,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorDisabled(db, who.orgId, null);
    },
  }),
  operation("disabled_for_clusters", "POST", "/rules/organizations/{organization}/disabled_for_clusters", {
    summary: "The same for these clusters",
    body: shapes.clusterList,
    answers: toggles,
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorDisabled(db, who.orgId, body);
    },
  }),
  operation("disabled_feedback", "GET", "/rules/users/{user_id}/disabled/feedback", {
    summary: "Why a user switched rules off",
    answers: enveloped({ reasons: z.array(reason) }),
    answer: ({ db, who, params }) => sql.aggregatorReasons(db, who.orgId, params.user_id),
  }),
  operation("disabled_clusters", "GET", `/clusters${ofAck}/disabled`, {
    summary: "For which clusters a rule is switched off",
    answers: enveloped({ clusters: z.array(disabledCluster).nullable() }),
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorDisabledClusters(db, who.orgId, params.rule_id, params.error_key);
    },
  }),
  operation("ack_rule", "PUT", `${ofAck}/disable`, {
    summary: "Acknowledge a rule",
    body: shapes.justificationBody,
    answers: enveloped({ justification: text }),
    answer: async ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      await sql.ackRule(db, who.orgId, who.userId, params.rule_id, params.error_key, body.justification);
      return justified(body);
    },
  }),
  operation("change_ack", "POST", `${ofAck}/update`, {
    summary: "Give an acknowledgement, if there is one, another justification",
    body: shapes.justificationBody,
    answers: enveloped({ justification: text }),
    answer: async ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      await sql.changeAck(db, who.orgId, params.rule_id, params.error_key, body.justification);
      return justified(body);
    },
  }),
  operation("ack", "GET", `${ofAck}/`, {
    summary: "One acknowledgement",
    answers: enveloped({ disabledRule: ack }),
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorAcks(db, who.orgId, params.rule_id, params.error_key);
    },
    missing: () => ({ status: "Rule was not disabled" }),
  }),
  operation("acks", "GET", "/rules/organizations/{organization}/disabled_system_wide", {
    summary: "The acknowledgements of an organization",
    answers: enveloped({ disabledRules: z.array(ack) }),
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorAcks(db, who.orgId, null, null);
    },
  }),
  operation("end_ack", "PUT", `${ofAck}/enable`, {
    summary: "Take an acknowledgement back, if there is one",
    answers: z.strictObject({ status: z.literal("rule enabled") }),
    answer: async ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      await sql.endAck(db, who.orgId, params.rule_id, params.error_key);
      return { status: 200, body: { status: "rule enabled" } };
    },
  }),
  operation("rate", "POST", "/rules/organizations/{organization}/rating", {
    summary: "Rate a rule: -1, 0 or 1",
    body: shapes.rating,
    answers: enveloped({ ratings: shapes.rating }),
    answer: async ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      const { module, key } = partsOf(body.rule);
      await sql.rate(db, who.orgId, module, key, body.rating);
      return { status: 200, body: { ratings: body, status: "ok" } };
    },
  }),
  operation("rating", "GET", "/rules/{rule_selector}/organizations/{organization}/rating", {
    summary: "How a rule is rated",
    answers: enveloped({ rating: shapes.rating }),
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      const { module, key } = partsOf(params.rule_selector);
      return sql.aggregatorRating(db, who.orgId, module, key);
    },
    missing: ({ params }) => notFound(`${params.organization}/${params.rule_selector}/rating`),
  }),
  operation(
    "rule_clusters",
    "GET",
    "/rules/{rule_selector}/organizations/{organization}/users/{user_id}/clusters_detail",
    {
      summary: "The clusters that a rule hits; a body may narrow them",
      body: shapes.clustersBody,
      bodyIsOptional: true,
      answers: enveloped({ clusters: z.array(hitCluster) }),
      answer: ({ db, who, params, body }) => {
        requireOwn(who.orgId, params.organization);
        const { module, key } = partsOf(params.rule_selector);
        return sql.aggregatorRuleClusters(db, who.orgId, module, key, body?.clusters ?? null);
      },
      missing: ({ params }) => notFound(params.rule_selector),
    },
  ),
  operation("recommendations", "POST", "/recommendations/organizations/{organization}/users/{user_id}/list", {
    summary: "The rules that hit these clusters",
    body: shapes.clusterList,
    answers: enveloped({ recommendations: z.record(text, z.array(text)) }),
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorRecommendations(db, who.orgId, body);
    },
  }),
  operation("clusters", "POST", "/clusters/organizations/{organization}/users/{user_id}/recommendations", {
    summary: "What hits each of these clusters",
    body: shapes.clusterList,
    answers: enveloped({ clusters: z.record(text, clusterRules) }),
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorClusters(db, who.orgId, body);
    },
  }),
  operation("workloads", "GET", "/organization/{organization}/workloads", {
    summary: "The namespaces that there are recommendations about, counted",
    answers: shapes.aggregatorWorkloads,
    answer: ({ db, who, params }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorWorkloads(db, who.orgId, null);
    },
  }),
  operation("these_workloads", "POST", "/organization/{organization}/workloads", {
    summary: "The same of these clusters",
    body: shapes.clusterList,
    answers: shapes.aggregatorWorkloads,
    answer: ({ db, who, params, body }) => {
      requireOwn(who.orgId, params.organization);
      return sql.aggregatorWorkloads(db, who.orgId, body);
    },
  }),
  operation(
    "workload",
    "GET",
    "/organization/{organization}/namespace/{namespace}/cluster/{cluster}/workloads",
    {
      summary: "What is recommended about the objects of one namespace",
      answers: shapes.aggregatorWorkload,
      answer: ({ db, who, params }) => {
        requireOwn(who.orgId, params.organization);
        return sql.aggregatorWorkload(db, who.orgId, params.cluster, params.namespace);
      },
      missing: ({ params }) => notFound(`${params.organization}:${params.cluster}:${params.namespace}`),
    },
  ),
];

/**
 * What the aggregator serves in debug mode, as far as it only asks. What deletes there is `ccx forget` here:
 * nobody deletes customers' data with a request.
 */
export const aggregatorDebug: readonly Operation[] = [
  operation("organizations", "GET", "/organizations", {
    summary: "The organizations that whoever asks may see: his own",
    answers: enveloped({ organizations: z.array(z.int()) }),
    answer: ({ who }) => ({ status: 200, body: { organizations: [Number(who.orgId)], status: "ok" } }),
  }),
  operation(
    "get_vote",
    "GET",
    "/clusters/{cluster}/rules/{rule_id}/error_key/{error_key}/users/{user_id}/get_vote",
    {
      summary: "What a user thinks of an issue: 1 like, -1 dislike, 0 neither",
      answers: enveloped({ vote: z.int() }),
      answer: ({ db, who, params }) =>
        sql.aggregatorVote(
          ...([db, who.orgId, params.user_id, params.cluster, params.rule_id, params.error_key] as const),
        ),
      missing: ({ params }) => notFound(`${params.cluster}/${params.rule_id}/${params.user_id}`),
    },
  ),
];
