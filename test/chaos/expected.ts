import type { EachMessagePayload } from "kafkajs";
import { type Hit, issueOf } from "../support/reports.ts";
import { idHeader } from "./feed.ts";
import type { Made } from "./fleet.ts";
import { resultIn } from "./upload_books.ts";

/** Which targets are notified of a hit. */
const targetsOf: Record<Hit, readonly number[]> = { bug: [1, 2], proxy: [1, 2], volume: [1], tutorial: [] };

/** What has to be in the database when everything on the topic has been handled. */
export type Expected = {
  messages: number;
  /**
   * `org cluster milliseconds` → id of the message whose content counts, the last one with that key; of a
   * result, the request id of its upload
   */
  reports: Map<string, string>;
  /** `partition/offset` → reason */
  rejected: Map<string, string>;
  /** `cluster rule|KEY` of what is open at the end */
  open: Set<string>;
  /** `target cluster rule|KEY` of what is open at the end and qualifies */
  toNotify: Set<string>;
};

export const reportKey = (org: unknown, cluster: unknown, ms: number): string => `${org} ${cluster} ${ms}`;

type Report = { cluster: string; lastChecked: number; hits: readonly Hit[] };

/**
 * Follows the topic as it stands, with whatever the harness had to send twice and analyzers published twice.
 */
export function expectedOf(topic: EachMessagePayload[], made: ReadonlyMap<string, Made>): Expected {
  const expected: Expected = {
    messages: topic.length,
    reports: new Map(),
    rejected: new Map(),
    open: new Set(),
    toNotify: new Set(),
  };
  const newest = new Map<string, Report>();
  const add = (org: number, id: string, report: Report) => {
    expected.reports.set(reportKey(org, report.cluster, report.lastChecked), id);
    const before = newest.get(report.cluster);
    if (!before || report.lastChecked >= before.lastChecked) newest.set(report.cluster, report);
  };
  const inOrder = [...topic].sort(
    (a, b) => a.partition - b.partition || Number(a.message.offset) - Number(b.message.offset),
  );
  for (const payload of inOrder) {
    const { partition, message } = payload;
    const result = resultIn(payload);
    if (result) {
      const { org, id, cluster, lastChecked, hits } = result;
      add(org, id, { cluster, lastChecked: Date.parse(lastChecked), hits });
      continue;
    }
    const one = made.get(String(message.headers?.[idHeader]));
    if (!one) throw new Error(`a message at ${partition}/${message.offset} that the harness did not make`);
    if (!one.accepted) {
      expected.rejected.set(`${partition}/${message.offset}`, one.reason);
      continue;
    }
    add(one.org, one.id, one);
  }
  for (const { cluster, hits } of newest.values()) {
    for (const hit of hits) {
      expected.open.add(`${cluster} ${issueOf(hit)}`);
      for (const target of targetsOf[hit]) expected.toNotify.add(`${target} ${cluster} ${issueOf(hit)}`);
    }
  }
  return expected;
}
