import { z } from "zod";

/** Who uploads, as the gateway says it in the header x-rh-identity; we believe the gateway. */
export type Identity = {
  /** digits */
  orgId: string;
  /** as it was given; empty: none */
  account: string;
  type: string;
  /** the cluster, where it says so */
  cluster: string | undefined;
  /** the header as it came */
  header: string;
};

/** Completes the sentence "Bad Request: …". */
export class BadIdentity extends Error {
  override name = "BadIdentity";
}

const text = z.string().nullish();
const schema = z.object({
  identity: z
    .object({
      org_id: text,
      account_number: text,
      type: text,
      internal: z.object({ org_id: text }).nullish(),
      system: z.object({ cluster_id: z.unknown() }).nullish(),
    })
    .nullish(),
});

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What a bigint holds. */
const orgId = /^\d{1,18}$/;

/**
 * Reads the header. The sentences of its refusals are those that clients know.
 * @throws BadIdentity
 */
export function parseIdentity(header: string | undefined): Identity {
  if (!header) throw new BadIdentity("missing x-rh-identity header");
  if (!base64.test(header)) throw new BadIdentity("unable to b64 decode x-rh-identity header");
  const notJson = "x-rh-identity header does not contain valid JSON";
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(header, "base64").toString());
  } catch (cause) {
    throw new BadIdentity(notJson, { cause });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new BadIdentity(notJson, { cause: parsed.error });
  const found = parsed.data.identity ?? {};
  const org = found.org_id || found.internal?.org_id || "";
  if (!orgId.test(org)) throw new BadIdentity("x-rh-identity header has an invalid or missing org_id");
  if (!found.type) throw new BadIdentity("x-rh-identity header is missing type");
  const cluster = found.system?.cluster_id;
  return {
    orgId: org,
    account: found.account_number ?? "",
    type: found.type,
    cluster: typeof cluster === "string" && uuid.test(cluster) ? cluster.toLowerCase() : undefined,
    header,
  };
}
