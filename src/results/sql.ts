import { z } from "zod";
import { codeOf } from "../db/errors.ts";
import { call, type Db, type Prepared, rowOf, rowsOf } from "../db/rows.ts";
import type { RegistryLine } from "./registry/lines.ts";

/** An answer as it goes out, JSON. Null: there is no such thing. */
const answer = z.object({ body: z.string().nullable() });
export type Body = z.infer<typeof answer>;

/** Each connection prepares a statement once, under the name of its function. */
const prepared = (text: string): Prepared => ({ name: /\w+(?=\()/.exec(text)?.[0] ?? text, text });

/**
 * The newest report of a cluster; version 1 or 2 of the public API. `osd`: who sees only rules for managed
 * clusters.
 */
export const report = (
  db: Db,
  orgId: string,
  userId: string,
  cluster: string,
  version: 1 | 2,
  withDisabled: boolean,
  osd: "managed" | "always" | "never",
  withInternal: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_report($1, $2, $3, $4, $5, $6, $7) as body"), [
    orgId,
    userId,
    cluster,
    version,
    withDisabled,
    osd,
    withInternal,
  ]);

/** One hit of it. */
export const hit = (
  db: Db,
  orgId: string,
  userId: string,
  cluster: string,
  module: string,
  key: string,
  osd: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_hit($1, $2, $3, $4, $5, $6) as body"), [
    orgId,
    userId,
    cluster,
    module,
    key,
    osd,
  ]);

/** How many hits it has, and its times. */
export const reportInfo = (db: Db, orgId: string, cluster: string, withInternal: boolean): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_report_info($1, $2, $3) as body"), [
    orgId,
    cluster,
    withInternal,
  ]);

/** The newest reports of several clusters, as they are stored. */
export const reports = (
  db: Db,
  orgId: string,
  clusters: readonly string[],
  withInternal: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_reports($1, $2, $3) as body"), [
    orgId,
    clusters,
    withInternal,
  ]);

/** Name and state of a cluster. */
export const cluster = (db: Db, orgId: string, cluster: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_cluster($1, $2) as body"), [orgId, cluster]);

/** All clusters with their hits by total risk; those after one, so many at most. */
export const clusters = (
  db: Db,
  orgId: string,
  withInternal: boolean,
  after: string | null,
  most: number | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_clusters($1, $2, $3, $4) as body"), [
    orgId,
    withInternal,
    after,
    most,
  ]);

/** The uploads of a cluster of the last day, or what is known of these. */
export const requests = (
  db: Db,
  orgId: string,
  cluster: string,
  requestIds: readonly string[] | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_requests($1, $2, $3) as body"), [
    orgId,
    cluster,
    requestIds,
  ]);

/** What became of an upload. */
export const requestStatus = (db: Db, orgId: string, cluster: string, requestId: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_request_status($1, $2, $3) as body"), [
    orgId,
    cluster,
    requestId,
  ]);

/** What an upload hit. */
export const requestReport = (
  db: Db,
  orgId: string,
  cluster: string,
  requestId: string,
  withInternal: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_request_report($1, $2, $3, $4) as body"), [
    orgId,
    cluster,
    requestId,
    withInternal,
  ]);

/** All rules, those that hit clusters, or those that hit none. */
export const rules = (
  db: Db,
  orgId: string,
  impacting: boolean | null,
  withInternal: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_rules($1, $2, $3) as body"), [
    orgId,
    impacting,
    withInternal,
  ]);

/** What a rule says, and what the organization says of it. */
export const rule = (
  db: Db,
  orgId: string,
  module: string,
  key: string,
  contentOnly: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_rule($1, $2, $3, $4) as body"), [
    orgId,
    module,
    key,
    contentOnly,
  ]);

/** The clusters that a rule hits, and those for which it is switched off. */
export const ruleClusters = (db: Db, orgId: string, module: string, key: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_rule_clusters($1, $2, $3) as body"), [orgId, module, key]);

/** The acknowledgements of an organization. */
export const acks = (db: Db, orgId: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_acks($1) as body"), [orgId]);

/** One of them. */
export const ack = (db: Db, orgId: string, module: string, key: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_ack($1, $2, $3) as body"), [orgId, module, key]);

/** Gives one another justification. */
export const changeAck = (
  db: Db,
  orgId: string,
  module: string,
  key: string,
  justification: string,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_change_ack($1, $2, $3, $4) as body"), [
    orgId,
    module,
    key,
    justification,
  ]);

/** Takes one back. */
export const endAck = (db: Db, orgId: string, module: string, key: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_end_ack($1, $2, $3) as body"), [orgId, module, key]);

/** Notes how an organization rates a rule. */
export const rate = (db: Db, orgId: string, module: string, key: string, rating: number): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_rate($1, $2, $3, $4) as body"), [
    orgId,
    module,
    key,
    rating,
  ]);

/** Switches a rule off for a cluster, or on again. `anyRule`: also one without content. */
export const toggle = (
  db: Db,
  orgId: string,
  cluster: string,
  module: string,
  key: string,
  isDisabled: boolean,
  anyRule = false,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_toggle($1, $2, $3, $4, $5, $6) as body"), [
    orgId,
    cluster,
    module,
    key,
    isDisabled,
    anyRule,
  ]);

/** Notes what a user thinks of an issue. */
export const vote = (
  db: Db,
  orgId: string,
  userId: string,
  cluster: string,
  module: string,
  key: string,
  vote: number,
  message = "",
  anyRule = false,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_vote($1, $2, $3, $4, $5, $6, $7, $8) as body"), [
    orgId,
    userId,
    cluster,
    module,
    key,
    vote,
    message,
    anyRule,
  ]);

/** Notes why a user switched a rule off. */
export const disableFeedback = (
  db: Db,
  orgId: string,
  userId: string,
  cluster: string,
  module: string,
  key: string,
  message: string,
  anyRule = false,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_disable_feedback($1, $2, $3, $4, $5, $6, $7) as body"), [
    orgId,
    userId,
    cluster,
    module,
    key,
    message,
    anyRule,
  ]);

/** Everything that rules say, or one module says. */
export const content = (
  db: Db,
  version: 1 | 2,
  withInternal: boolean,
  module: string | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_content($1, $2, $3) as body"), [
    version,
    withInternal,
    module,
  ]);

/** The modules of all rules. */
export const ruleIds = (db: Db, withInternal: boolean): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_rule_ids($1) as body"), [withInternal]);

/** The groups of rules. */
export const groups = (db: Db): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_groups() as body"), []);

/** How many clusters are hit, and how often by what. */
export const overview = (
  db: Db,
  orgId: string,
  clusters: readonly string[] | null,
  withInternal: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_overview($1, $2, $3) as body"), [
    orgId,
    clusters,
    withInternal,
  ]);

/** The clusters that have reported. */
export const orgClusters = (db: Db, orgId: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_org_clusters($1) as body"), [orgId]);

/** The namespaces that there are recommendations about, counted. */
export const workloads = (db: Db, orgId: string, withInternal: boolean): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_workloads($1, $2) as body"), [orgId, withInternal]);

/** One of them, with its recommendations. */
export const workload = (
  db: Db,
  orgId: string,
  cluster: string,
  namespace: string,
  withInternal: boolean,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.results_workload($1, $2, $3, $4) as body"), [
    orgId,
    cluster,
    namespace,
    withInternal,
  ]);

/** The same as the aggregator shows it; of all clusters, or of these. */
export const aggregatorWorkloads = (
  db: Db,
  orgId: string,
  clusters: readonly string[] | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_workloads($1, $2) as body"), [orgId, clusters]);

/** One of them, with its recommendations. */
export const aggregatorWorkload = (
  db: Db,
  orgId: string,
  cluster: string,
  namespace: string,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_workload($1, $2, $3) as body"), [
    orgId,
    cluster,
    namespace,
  ]);

/** The newest report of a cluster, as the aggregator shows it. */
export const aggregatorReport = (db: Db, orgId: string, userId: string, cluster: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_report($1, $2, $3) as body"), [orgId, userId, cluster]);

/** One hit of it. */
export const aggregatorRule = (
  db: Db,
  orgId: string,
  userId: string,
  cluster: string,
  component: string,
  key: string,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_rule($1, $2, $3, $4, $5) as body"), [
    orgId,
    userId,
    cluster,
    component,
    key,
  ]);

/** The rules that are switched off for clusters, or for these. */
export const aggregatorDisabled = (
  db: Db,
  orgId: string,
  clusters: readonly string[] | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_disabled($1, $2) as body"), [orgId, clusters]);

/** Why a user switched rules off. */
export const aggregatorReasons = (db: Db, orgId: string, userId: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_reasons($1, $2) as body"), [orgId, userId]);

/** For which clusters a rule is switched off. */
export const aggregatorDisabledClusters = (
  db: Db,
  orgId: string,
  module: string,
  key: string,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_disabled_clusters($1, $2, $3) as body"), [
    orgId,
    module,
    key,
  ]);

/** All acknowledgements, or one. */
export const aggregatorAcks = (
  db: Db,
  orgId: string,
  module: string | null,
  key: string | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_acks($1, $2, $3) as body"), [orgId, module, key]);

/** How a rule is rated. */
export const aggregatorRating = (db: Db, orgId: string, module: string, key: string): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_rating($1, $2, $3) as body"), [orgId, module, key]);

/** What a user thinks of an issue. */
export const aggregatorVote = (
  db: Db,
  orgId: string,
  userId: string,
  cluster: string,
  module: string,
  key: string,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_vote($1, $2, $3, $4, $5) as body"), [
    ...[orgId, userId, cluster, module, key],
  ]);

/** The clusters that a rule hits. */
export const aggregatorRuleClusters = (
  db: Db,
  orgId: string,
  module: string,
  key: string,
  clusters: readonly string[] | null,
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_rule_clusters($1, $2, $3, $4) as body"), [
    orgId,
    module,
    key,
    clusters,
  ]);

/** The rules that hit these clusters. */
export const aggregatorRecommendations = (
  db: Db,
  orgId: string,
  clusters: readonly string[],
): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_recommendations($1, $2) as body"), [orgId, clusters]);

/** What hits each of these clusters. */
export const aggregatorClusters = (db: Db, orgId: string, clusters: readonly string[]): Promise<Body> =>
  rowOf(db, answer, prepared("select ccx.aggregator_clusters($1, $2) as body"), [orgId, clusters]);

const acknowledged = z.object({ created: z.boolean(), body: z.string() });

/** Acknowledges a rule for an organization, or changes the justification; says which. */
export const ackRule = (
  db: Db,
  orgId: string,
  userId: string,
  module: string,
  key: string,
  justification: string,
): Promise<z.infer<typeof acknowledged>> =>
  rowOf(db, acknowledged, prepared("select created, body from ccx.results_ack_rule($1, $2, $3, $4, $5)"), [
    ...[orgId, userId, module, key, justification],
  ]);

const bearer = z.object({ org_id: z.string(), user_id: z.string() });

/** For whom a bearer token with this SHA-256 speaks; nobody: no row. */
export const token = (db: Db, hash: Buffer): Promise<z.infer<typeof bearer>[]> =>
  rowsOf(db, bearer, prepared("select org_id, user_id from ccx.results_token($1)"), [hash]);

// --- the registry of clusters

const registryLoaded = z.object({
  added: z.number(),
  changed: z.number(),
  removed: z.number(),
  unchanged: z.number(),
  kept: z.number(),
  elsewhere: z.number(),
  refused: z.number(),
  problems: z.array(z.string()),
});

/**
 * What a load did; `kept`: clusters that are there by hand, or from another source; `problems`: at most 100.
 */
export type RegistryLoaded = z.infer<typeof registryLoaded>;

/**
 * Whose clusters are loaded; with a URL, also which version of it; `askedEvery`: how often whoever asks means
 * to, as an interval of PostgreSQL.
 */
export type RegistryFrom = {
  source: string;
  locationHash?: Buffer;
  askedEvery?: string | undefined;
} & Partial<RegistryVersion>;

/** Takes lines in, for `loadRegistry` in the same transaction. */
export const readRegistry = (db: Db, lines: readonly RegistryLine[]): Promise<void> => {
  const all = (name: Exclude<keyof RegistryLine, "line">) => lines.map((line) => line[name] ?? null);
  return call(db, "select ccx.read_registry($1::int[], $2, $3, $4, $5, $6, $7)", [
    lines.map(({ line }) => line),
    ...[all("cluster"), all("org_id"), all("display_name"), all("managed"), all("status"), all("problem")],
  ]);
};

/** Makes the clusters of a source what was read; `accepted`: a person agrees to whatever that changes. */
export const loadRegistry = (db: Db, from: RegistryFrom, accepted: boolean): Promise<RegistryLoaded> =>
  rowOf(
    db,
    registryLoaded,
    `select added, changed, removed, unchanged, kept, elsewhere, refused, problems
     from load_registry($1, $2, $3, $4, $5, $6)`,
    [
      ...[from.source, from.locationHash ?? null, from.etag ?? null, from.last_modified ?? null, accepted],
      from.askedEvery ?? null,
    ],
  );

/** True when load_registry refuses what would change too much at once. */
export const isTooMuch = (error: unknown): boolean => codeOf(error) === "NTT03";

/** Notes that a source was asked, and why it could not be loaded; null: it could, or has not changed. */
export const noteRegistry = (
  db: Db,
  { source, askedEvery }: RegistryFrom,
  failure: string | null,
): Promise<void> => call(db, "select ccx.note_registry($1, $2, $3)", [source, failure, askedEvery ?? null]);

const version = z.object({ etag: z.string().nullable(), last_modified: z.string().nullable() });
export type RegistryVersion = z.infer<typeof version>;

/** The version of a URL that is loaded; nulls where none is, or it has none. */
export const registryVersion = async (
  db: Db,
  source: string,
  locationHash: Buffer,
): Promise<RegistryVersion> =>
  (
    await rowsOf(
      db,
      version,
      "select etag, last_modified from registry_source where source = $1 and location_hash = $2",
      [source, locationHash],
    )
  )[0] ?? { etag: null, last_modified: null };
