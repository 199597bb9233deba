import { createHmac, timingSafeEqual } from "node:crypto";

/** The path below which this service gives out archives itself, for stores that have no URLs of their own. */
const archivePath = "/api/ingress/v1/archive/";

/** The URL of an object at this service, valid until `expires` (seconds since 1970). */
export function signedUrl(baseUrl: string, secret: string, key: string, expires: number): string {
  const url = new URL(archivePath + key, baseUrl);
  url.searchParams.set("expires", String(expires));
  url.searchParams.set("signature", signature(secret, key, String(expires)));
  return url.href;
}

/** Whether a signature is of us and has not expired; in constant time. */
export function isSigned(
  secret: string,
  key: string,
  { expires, given, now }: { expires: unknown; given: unknown; now: Date },
): boolean {
  if (typeof expires !== "string" || typeof given !== "string" || !/^\d{1,12}$/.test(expires)) return false;
  const right = Buffer.from(signature(secret, key, expires));
  const claimed = Buffer.from(given);
  const isOurs = right.byteLength === claimed.byteLength && timingSafeEqual(right, claimed);
  return isOurs && now.getTime() < Number(expires) * 1_000;
}

const signature = (secret: string, key: string, expires: string): string =>
  createHmac("sha256", secret).update(`GET\n${key}\n${expires}`).digest("hex");
