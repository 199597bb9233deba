import { createPool, endPool } from "../db/pool.ts";
import type { HttpRoom } from "../http/server.ts";
import { networksOf } from "../results/identity.ts";
import { aggregatorApis, publicApis, resultsRooms } from "../results/rooms.ts";
import type { Parts } from "./parts.ts";

/** What this process serves beside its metrics and health: the rooms that answer HTTP. */
export function servedRooms(parts: Omit<Parts, "kafka">): readonly HttpRoom[] {
  return resultsOf(parts);
}

/** The results API, with connections of its own: who asks does not keep the service from its work. */
function resultsOf({ config, log }: Omit<Parts, "kafka">): readonly HttpRoom[] {
  const { databaseUrl } = config;
  const pool = createPool({ databaseUrl, size: config.resultsPoolSize, name: "ccx results", log });
  const canceller = createPool({ databaseUrl, size: 1, name: "ccx results, cancelling", log });
  const options = {
    ...{ pool, canceller, log, timeoutMs: config.resultsTimeoutMs },
    trustedPeers: networksOf(config.resultsTrustedPeers),
    internalOrganizations: new Set(config.resultsInternalOrganizations),
  };
  const rooms = resultsRooms(options, config.resultsApi === "aggregator" ? aggregatorApis : publicApis);
  const [first, ...others] = rooms;
  if (first === undefined) return rooms;
  const ending: HttpRoom = {
    ...first,
    async plugin(server, options) {
      server.addHook("onClose", async () => {
        await Promise.all([endPool(pool), endPool(canceller)]);
      });
      await first.plugin(server, options);
    },
  };
  return [ending, ...others];
}
