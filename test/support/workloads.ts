import type { Pool } from "pg";
import { ingestBatch } from "../../src/ingest/ingest_batch.ts";
import { type Arrived, portionsOf } from "../../src/ingest/portions.ts";
import type { Ingested } from "../../src/ingest/sql.ts";
import { streams } from "../../src/ingest/streams.ts";
import type { Db, Row } from "./builders.ts";
import { rows } from "./builders.ts";

/** An object as a recommendation names it: `namespace/uid`. */
const anObject = (name: string) => {
  const [namespace = "", uid = ""] = name.split("/");
  return {
    namespace,
    namespace_uid: `uid-of-${namespace}`,
    kind: "DaemonSet",
    name: `name-of-${uid}`,
    uid,
  };
};

/** A recommendation of the rule `rule|KEY` (without a key: `KEY`) about these objects (`namespace/uid`). */
export function aRecommendation(rule: string, objects: string[], changes: Row = {}): Row {
  const [name, key = "KEY"] = rule.split("|");
  return {
    response_id: `${name}|${key}`,
    component: `ccx_rules_ocp.external.dvo.${name}.recommendation`,
    key,
    details: { check_name: name, check_url: "" },
    tags: [],
    links: { jira: [], product_documentation: [] },
    workloads: objects.map(anObject),
    ...changes,
  };
}

/** A message of the topic of workloads, as text; `changes` replaces members, undefined leaves one out. */
export function aWorkloadsMessage(
  cluster: string,
  at: string,
  recommendations: unknown[],
  changes: Row = {},
): string {
  return JSON.stringify({
    OrgID: 1,
    AccountNumber: 42,
    ClusterName: cluster,
    LastChecked: at,
    Version: 2,
    RequestId: "7af5",
    Metrics: {
      system: { metadata: {}, hostname: null },
      fingerprints: [],
      version: 1,
      analysis_metadata: {},
      workload_recommendations: recommendations,
    },
    ...changes,
  });
}

/** Consumes messages about workloads in one batch, as the service does, the first at offset `from`. */
export async function consumeWorkloads(
  pool: Pool,
  messages: readonly (string | Buffer | null)[],
  { from = 0, partition = 0 }: { from?: number; partition?: number } = {},
): Promise<Ingested> {
  const arrived = messages.map(
    (text, nth): Arrived => ({
      offset: String(from + nth),
      key: null,
      value: text === null ? null : Buffer.from(text),
      headers: {},
    }),
  );
  const total: Ingested = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, skipped: 0, elsewhere: 0 };
  const now = () => new Date("2100-01-01");
  for (const entries of portionsOf(arrived, messages.length, now, streams.workloads)) {
    const position = { topic: "workloads", partition, highWatermark: String(from + messages.length) };
    const part = await ingestBatch(pool, position, entries, undefined, streams.workloads);
    for (const [name, count] of Object.entries(part)) total[name as keyof Ingested] += count;
  }
  return total;
}

/** What is stored of each namespace, in words: `cluster of org: namespace since time, rule|KEY of objects, … = objects`. */
export async function storedNamespaces(db: Db): Promise<string[]> {
  const found = await rows(
    db,
    `select n.cluster, n.org_id, n.name, to_char(n.reported_at at time zone 'UTC', 'HH24:MI') as since, n.objects,
       n.recommendations, (
         select string_agg(format('%s|%s %s', split_part(h ->> 'component', '.', 4), h ->> 'key', h ->> 'objects'), ', '
           order by nth)
         from jsonb_array_elements(n.hits) with ordinality as a (h, nth)) as hits
     from workload_namespace n order by n.cluster, n.namespace_id`,
  );
  return found.map(
    ({ cluster, org_id, name, since, objects, recommendations, hits }) =>
      `${String(cluster).slice(-2)} of ${org_id}: ${name} since ${since}, ${recommendations} (${hits}) about ${objects}`,
  );
}
