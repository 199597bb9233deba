import { z } from "zod";

const digits = z.string().regex(/^\d+$/);
const common = {
  id: digits,
  /** counts from 1 */
  attempt: z.number().int().positive(),
  request_id: z.string(),
  org_id: digits.nullable(),
  account_number: z.string(),
  service: z.string(),
};

const announcement = z.object({
  ...common,
  kind: z.literal("announcement"),
  principal: z.string(),
  category: z.string(),
  content_type: z.string(),
  size: z.coerce.number(),
  store: z.enum(["database", "folder", "s3"]),
  object_key: z.string(),
  b64_identity: z.string(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
  /** RFC 3339, to the microsecond */
  received_at: z.string(),
  stale_at: z.coerce.date(),
  signed_at: z.coerce.date(),
  traceparent: z.string().nullable(),
});

const status = z.object({
  ...common,
  kind: z.literal("status"),
  status: z.string(),
  status_msg: z.string().nullable(),
  noted_at: z.coerce.date(),
});

/** A row of SQL's `claim_upload_messages(…)`. */
export const claimedSchema = z.discriminatedUnion("kind", [announcement, status]);
export type Claimed = z.infer<typeof claimedSchema>;
export type ClaimedAnnouncement = z.infer<typeof announcement>;
export type ClaimedStatus = z.infer<typeof status>;

/** What is known even of a row that cannot be understood. */
export const identitySchema = z.object({ id: digits, attempt: z.number() });
