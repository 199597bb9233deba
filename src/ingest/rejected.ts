import { z } from "zod";
import { ConfigurationError } from "../errors.ts";

/** Which rejected messages are meant; what is not given does not narrow. */
export type RejectedFilter = {
  reason?: string | undefined;
  topic?: string | undefined;
  org?: string | undefined;
  cluster?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  /** Ids, or positions as topic/partition/offset. */
  places?: string[] | undefined;
};

const base64 = z.string().transform((text) => Buffer.from(text, "base64"));
/** Null is a header without a value. */
const headers = z.record(z.string(), z.array(base64.nullable()));
const bytes = z.instanceof(Buffer).nullable();

export const rejectedMessage = z.object({
  id: z.string(),
  topic: z.string(),
  partition: z.number(),
  stream: z.enum(["results", "workloads"]),
  kafka_offset: z.string(),
  reason: z.string(),
  detail: z.string(),
  key: bytes,
  value: bytes,
  headers,
  received_at: z.string(),
  org_id: z.string().nullable(),
  cluster: z.string().nullable(),
  attempts: z.number(),
  retried_at: z.string().nullable(),
  stored_at: z.string().nullable(),
  dead_lettered_at: z.string().nullable(),
  dead_letter_error: z.string().nullable(),
});

/** A row of `rejected_message`. */
export type RejectedMessage = z.infer<typeof rejectedMessage>;

const place = /^(?:(\d+)|([A-Za-z0-9._-]{1,249}\/(?:0|[1-9]\d*)\/(?:0|[1-9]\d*)))$/;

/**
 * A filter as the SQL functions about rejected messages take it, in the order of their arguments.
 * @throws ConfigurationError for a place that is none
 */
export function valuesOf(filter: RejectedFilter): unknown[] {
  const { reason, topic, org, cluster, since, until, places } = filter;
  const found = places?.map((text) => {
    const parts = place.exec(text);
    if (parts === null)
      throw new ConfigurationError(
        `"${text}" is neither TOPIC/PARTITION/OFFSET nor the id of a rejected message.`,
      );
    return parts;
  });
  const column = (nth: number) => found?.flatMap((parts) => parts[nth] ?? []);
  return [reason, topic, org, cluster, since, until, column(1), column(2)].map((value) => value ?? null);
}
