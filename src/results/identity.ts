import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import ipaddr from "ipaddr.js";
import type { Db } from "../db/rows.ts";
import { Refused } from "./operation.ts";
import * as sql from "./sql.ts";

/** Networks as `ipaddr.js` has them. */
export type Networks = readonly [ipaddr.IPv4 | ipaddr.IPv6, number][];

/** Reads networks such as 10.0.0.0/8; an address alone is a network of itself. */
export const networksOf = (texts: readonly string[]): Networks =>
  texts.map((text) => {
    if (text.includes("/")) return ipaddr.parseCIDR(text);
    const address = ipaddr.parse(text);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  });

export type Asker = { orgId: string; userId: string };

const largestOrg = 4_294_967_295n;
const longestUser = 255;

/** Who sends a request. */
export type Peer = {
  headers: IncomingHttpHeaders;
  /** Its address. */
  peer: string | undefined;
  /** Whether it has shown a certificate that the configured authority vouches for. */
  isCertified: boolean;
};

/**
 * Whose request this is: a bearer token counts wherever it comes from, an `x-rh-identity` only from a gateway
 * that is trusted by its address or its certificate. Throws Refused (403) for anything else.
 */
export async function askerOf(
  { headers, peer, isCertified }: Peer,
  trusted: Networks,
  db: Db,
): Promise<Asker> {
  const bearer = /^bearer +([\x21-\x7e]+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) {
    const [found] = await sql.token(db, hashOf(bearer));
    if (!found) throw new Refused(403, "Malformed authentication token");
    return { orgId: found.org_id, userId: found.user_id };
  }
  const identity = headers["x-rh-identity"];
  if (typeof identity !== "string" || identity === "") throw new Refused(403, "Missing auth token");
  if (!isCertified && !isTrusted(peer, trusted))
    throw new Refused(403, "The identity comes from an address that is not trusted");
  return fromIdentity(identity);
}

/** Whether a trusted gateway asks, and names nobody. */
export const isNameless = ({ headers, peer, isCertified }: Peer, trusted: Networks): boolean =>
  headers.authorization === undefined &&
  headers["x-rh-identity"] === undefined &&
  (isCertified || isTrusted(peer, trusted));

/** What is stored of a token. */
export const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

function isTrusted(peer: string | undefined, trusted: Networks): boolean {
  if (peer === undefined || !ipaddr.isValid(peer)) return false;
  const address = ipaddr.process(peer); // an IPv4 address in IPv6 form is what it stands for
  return trusted.some(
    ([network, bits]) => address.kind() === network.kind() && address.match([network, bits] as never),
  );
}

/** Reads the header's standard base64 of JSON. Throws Refused. */
function fromIdentity(header: string): Asker {
  const malformed = () => new Refused(403, "Malformed authentication token");
  if (header.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(header)) throw malformed();
  let identity: unknown;
  try {
    identity = (JSON.parse(Buffer.from(header, "base64").toString("utf8")) as { identity?: unknown } | null)
      ?.identity;
  } catch {
    throw malformed();
  }
  if (typeof identity !== "object" || identity === null) throw malformed();
  const { org_id, account_number, user } = identity as Record<string, unknown>;
  const userId = (user as { user_id?: unknown } | null | undefined)?.user_id;
  if (typeof org_id !== "string" || !/^\d{1,10}$/.test(org_id) || !isOrg(BigInt(org_id)))
    throw new Refused(
      403,
      `error retrieving requester org_id from token. account_number [${shown(account_number)}], user data ` +
        `[{Username: Email: UserID:${shown(userId)}}]`,
    );
  return { orgId: String(BigInt(org_id)), userId: isUser(userId) ? userId : "0" };
}

const isOrg = (id: bigint): boolean => id > 0n && id <= largestOrg;

const isUser = (id: unknown): id is string =>
  typeof id === "string" && id !== "" && id.length <= longestUser && id.isWellFormed() && !id.includes("\0");

const shown = (value: unknown): string => (typeof value === "string" ? value.slice(0, 50) : "");
