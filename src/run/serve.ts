import { limited } from "../db/limits.ts";
import type { HttpRoom } from "../http/server.ts";
import { openStore } from "../objects/open_store.ts";
import { ingress } from "../upload/ingress.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

/** What this process serves beside its metrics and health: the rooms that answer HTTP. */
export function servedRooms(parts: Omit<Parts, "kafka">): readonly HttpRoom[] {
  return [...ingressRooms(parts)];
}

/** Clients know the ingress under two paths. */
function ingressRooms({ config, pool, log }: Omit<Parts, "kafka">): HttpRoom[] {
  if (!config.upload) return [];
  const storing = limited(pool, limitsOf(config, "ingest"));
  const plugin = ingress({
    pool: storing,
    openStore: () => openStore(config, storing),
    log,
    limits: {
      services: config.uploadServices,
      maxBytes: config.uploadMaxBytes,
      maxBytesByService: new Map(config.uploadMaxBytesByService?.map(({ name, bytes }) => [name, bytes])),
    },
    deniedOrgs: config.uploadDeniedOrgs ?? [],
    concurrency: config.uploadConcurrency,
  });
  return ["/api/ingress/v1", "/r/insights/platform/ingress/v1"].map((prefix) => ({ prefix, plugin }));
}
