import { createHash } from "node:crypto";

/** So many buckets there are; each belongs to one cell. */
export const bucketCount = 256;

/** The bucket of a cluster, 0 to 255; the same as SQL bucket_of(). */
export function bucketOf(cluster: string): number {
  const name = cluster.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  return createHash("md5").update(name).digest()[0] as number;
}
