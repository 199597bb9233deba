import { z } from "zod";

const text = z.string().nullish();
const texts = z.array(z.string()).nullish();

/** What a client may say about its archive; other members are left out. */
const schema = z.object({
  ip_addresses: texts,
  account: text,
  org_id: text,
  insights_id: text,
  machine_id: text,
  subscription_manager_id: text,
  mac_addresses: texts,
  fqdn: text,
  bios_uuid: text,
  display_name: text,
  ansible_host: text,
  custom_metadata: z.record(z.string(), z.string()).nullish(),
  queue_key: text,
});

/** Longer metadata is not read. */
export const mostMetadataBytes = 1024 * 1024;

/**
 * The metadata of an upload as JSON, with the members that announcements know; undefined where it does not
 * conform: then none of it counts.
 */
export function parseMetadata(json: string): string | undefined {
  try {
    const parsed = schema.nullable().safeParse(JSON.parse(json));
    if (!parsed.success) return undefined;
    const given = Object.entries(parsed.data ?? {}).filter(
      ([, value]) => value !== null && value !== undefined && value.length !== 0,
    );
    return JSON.stringify(Object.fromEntries(given));
  } catch {
    return undefined;
  }
}
