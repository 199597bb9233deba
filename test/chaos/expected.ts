import type { EachMessagePayload } from "kafkajs";
import { type Hit, issueOf } from "../support/reports.ts";
import { idHeader } from "./feed.ts";
import type { Made } from "./fleet.ts";

/** Which targets are notified of a hit. */
const targetsOf: Record<Hit, readonly number[]> = { bug: [1, 2], proxy: [1, 2], volume: [1], tutorial: [] };

/** What has to be in the database when everything on the topic has been handled. */
export type Expected = {
  messages: number;
  /** `org cluster milliseconds` → id of the message whose content counts: the last one with that key */
  reports: Map<string, string>;
  /** `partition/offset` → reason */
  rejected: Map<string, string>;
  /** `cluster rule|KEY` of what is open at the end */
  open: Set<string>;
  /** `target cluster rule|KEY` of what is open at the end and qualifies */
  toNotify: Set<string>;
};

export const reportKey = (org: unknown, cluster: unknown, ms: number): string => `${org} ${cluster} ${ms}`;

/** Follows the topic as it stands, with whatever the harness had to send twice. */
export function expectedOf(topic: EachMessagePayload[], made: ReadonlyMap<string, Made>): Expected {
  const expected: Expected = {
    messages: topic.length,
    reports: new Map(),
    rejected: new Map(),
    open: new Set(),
    toNotify: new Set(),
  };
  const newest = new Map<string, Extract<Made, { accepted: true }>>();
  const inOrder = [...topic].sort(
    (a, b) => a.partition - b.partition || Number(a.message.offset) - Number(b.message.offset),
  );
  for (const { partition, message } of inOrder) {
    const one = made.get(String(message.headers?.[idHeader]));
    if (!one) throw new Error(`a message at ${partition}/${message.offset} that the harness did not make`);
    if (!one.accepted) {
      expected.rejected.set(`${partition}/${message.offset}`, one.reason);
      continue;
    }
    expected.reports.set(reportKey(one.org, one.cluster, one.lastChecked), one.id);
    const before = newest.get(one.cluster);
    if (!before || one.lastChecked >= before.lastChecked) newest.set(one.cluster, one);
  }
  for (const { cluster, hits } of newest.values()) {
    for (const hit of hits) {
      expected.open.add(`${cluster} ${issueOf(hit)}`);
      for (const target of targetsOf[hit]) expected.toNotify.add(`${target} ${cluster} ${issueOf(hit)}`);
    }
  }
  return expected;
}
