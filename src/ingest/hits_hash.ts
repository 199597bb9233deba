import { hash } from "node:crypto";

export type Hit = { component: string; key: string };

/**
 * A hash of the hits of a report, whatever their order and their details: a whole number of 64 bits with its
 * sign, as SQL's `ccx.hits_hash()` computes it. The database passes a report over whose hash is that of the
 * one before, and compares all others, and a sample of those, with what it computes itself.
 */
export function hitsHash(hits: readonly Hit[]): string {
  const all = [...new Set(hits.map(({ component, key }) => measured(component) + measured(key)))];
  // in the order of their bytes, not of their UTF-16
  const sorted = all.map((hit) => Buffer.from(hit)).sort(Buffer.compare);
  return `${hash("sha256", Buffer.concat(sorted), "buffer").readBigInt64BE()}`;
}

const measured = (name: string): string => `${Buffer.byteLength(name)}:${name}`;
