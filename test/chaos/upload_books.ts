import { isDeepStrictEqual } from "node:util";
import type { EachMessagePayload } from "kafkajs";
import { resultViolations } from "../support/contract.ts";
import type { Hit } from "../support/reports.ts";
import { idHeader } from "./feed.ts";
import { hitOfReport, hitOfRule } from "./rules.ts";
import type { Upload } from "./uploads.ts";

/** A message on the topic of results that an analyzer put there. */
export type Result = {
  id: string;
  value: string;
  org: number;
  cluster: string;
  lastChecked: string;
  hits: Hit[];
  /** the hits as they are written */
  reports: unknown;
};

type Message = {
  OrgID: number;
  ClusterName: string;
  LastChecked: string;
  RequestId: string;
  Report: { reports: { component: string; key: string; details: { upload?: string } }[] };
};

/** The result in a message of the topic; undefined: the feed sent it. Throws when it breaks the contract. */
export function resultIn({ message: { headers, value } }: EachMessagePayload): Result | undefined {
  if (headers?.[idHeader] !== undefined) return undefined;
  const text = String(value);
  const message = JSON.parse(text) as Message;
  const violations = resultViolations(message);
  if (violations.length > 0) throw new Error(`a result breaks the contract: ${JSON.stringify(violations)}`);
  const { OrgID, ClusterName, LastChecked, RequestId, Report } = message;
  const hits = Report.reports.map((report) => {
    const hit = hitOfReport(report);
    if (!hit || report.details.upload !== RequestId)
      throw new Error(`${RequestId} has a hit that its archive has not: ${JSON.stringify(report)}`);
    return hit;
  });
  return {
    ...{ id: RequestId, value: text, org: OrgID, cluster: ClusterName, lastChecked: LastChecked },
    ...{ hits, reports: Report.reports },
  };
}

/** What the database says of an analysis. */
export type Analysis = {
  id: string;
  state: string;
  failure: string | null;
  /** rules that failed on it, or were suspended when it ran */
  failedRules: readonly string[];
};

/** Sentences with what does not balance are made of these. */
export type Compared = {
  /** accepted, and neither a result nor a visible failure */
  lost: string[];
  /** published with different contents */
  differ: string[];
  /** results that were published again with the same content */
  again: number;
  otherwise: Record<string, unknown[]>;
};

/**
 * Compares uploads that were answered with 202 with what the topic of results and the database have of them.
 */
export function compareUploads(
  accepted: readonly Upload[],
  results: readonly Result[],
  analyses: readonly Analysis[],
): Compared {
  const byId = Map.groupBy(results, ({ id }) => id);
  const known = new Map(accepted.map((upload) => [upload.id, upload]));
  const analysisOf = Map.groupBy(analyses, ({ id }) => id);
  const compared: Compared = { lost: [], differ: [], again: 0, otherwise: {} };
  const wrong = (what: string, one: unknown) => {
    compared.otherwise[what] ??= [];
    compared.otherwise[what].push(one);
  };
  for (const [id, published] of byId) {
    if (!known.has(id)) wrong("results of what nobody uploaded", id);
    if (new Set(published.map(({ value }) => value)).size > 1) compared.differ.push(id);
    else compared.again += published.length - 1;
  }
  for (const { id, org, cluster, expect } of accepted) {
    const [result] = byId.get(id) ?? [];
    const [analysis, ...others] = analysisOf.get(id) ?? [];
    if (others.length > 0) wrong("uploads with several analyses", id);
    if ("failure" in expect) {
      if (analysis?.state !== "dead") compared.lost.push(id);
      else if (analysis.failure !== expect.failure || result)
        wrong("bad archives that did not end as they should", { ...analysis, expected: expect.failure });
      continue;
    }
    if (analysis?.state === "dead") wrong("good archives that were given up", analysis);
    else if (!result) compared.lost.push(id);
    if (!result) continue;
    if (analysis?.state !== "published") wrong("published, but not so in the database", { id, ...analysis });
    if (result.org !== org || result.cluster !== cluster) wrong("results of somebody else", id);
    // a rule that fails counts as one without a hit, and is to be named
    const mayLack = new Set(analysis?.failedRules.map(hitOfRule));
    const lacks = expect.hits.filter((hit) => !result.hits.includes(hit) && !mayLack.has(hit));
    const tooMany = result.hits.filter((hit) => !expect.hits.includes(hit));
    if (lacks.length + tooMany.length > 0) wrong("results with other hits", { id, lacks, tooMany });
  }
  return compared;
}

/** Results that are stored with another content than they were published with. */
export function storedOtherwise(results: readonly Result[], stored: ReadonlyMap<string, string>): string[] {
  return [...new Map(results.map((result) => [result.id, result])).values()]
    .filter(({ id, reports }) => {
      // what the rules found; the rest of a report is not kept
      const kept = JSON.parse(stored.get(id) ?? "null") as { reports: unknown } | null;
      return !isDeepStrictEqual(kept?.reports, reports);
    })
    .map(({ id }) => id);
}
