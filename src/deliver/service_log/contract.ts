import { z } from "zod";

/**
 * What the Service Log accepts, kept apart from what we build, so that the stand-in receiver judges our
 * entries by the other side's rules: reference/anchors.md §2.8, message-and-table-formats.md §5. The limits
 * of summary and description are in characters.
 */
const atMost = (limit: number) => (value: string) => [...value].length <= limit;

export const acceptedEntrySchema = z.strictObject({
  cluster_uuid: z.guid(),
  summary: z.string().min(1).refine(atMost(255), "longer than 255 characters"),
  service_name: z.string().min(1),
  severity: z.enum([
    ...(["Debug", "Info", "Warning", "Error", "Fatal"] as const),
    ...(["Major", "Critical", "Important", "Moderate", "Low"] as const),
  ]),
  description: z.string().refine(atMost(4000), "longer than 4000 characters").optional(),
  created_by: z.string().optional(),
  username: z.string().optional(),
  event_stream_id: z.string().optional(),
  internal_only: z.boolean().optional(),
  timestamp: z.iso.datetime().optional(),
  cluster_id: z.string().optional(),
  subscription_id: z.string().optional(),
  log_type: z.string().optional(),
  doc_references: z.array(z.string()).optional(),
});

export type AcceptedEntry = z.infer<typeof acceptedEntrySchema>;
