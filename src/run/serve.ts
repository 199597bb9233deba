import type { Pool } from "pg";
import { consoleRoom } from "../console/plugin.ts";
import { limited } from "../db/limits.ts";
import { createPool, endPool } from "../db/pool.ts";
import { createReader } from "../db/reader.ts";
import { claimedIssueSchema } from "../deliver/claimed.ts";
import { bodyOptionsOf, shownIssue, shownMessage } from "../deliver/shown.ts";
import type { HttpRoom } from "../http/server.ts";
import { retryRejected } from "../ingest/retry.ts";
import { openStore } from "../objects/open_store.ts";
import { networksOf } from "../results/identity.ts";
import { aggregatorApisFor, publicApis, resultsRooms } from "../results/rooms.ts";
import { ingress } from "../upload/ingress.ts";
import { release } from "../version.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

type Serving = Omit<Parts, "kafka">;

/** What this process serves beside its metrics and health: the rooms that answer HTTP. */
export function servedRooms(parts: Serving): readonly HttpRoom[] {
  if (parts.config.httpPort === 0) return [];
  return [...ingressRooms(parts), ...resultsOf(parts), consoleOf(parts)];
}

/** Clients know the ingress under two paths. */
function ingressRooms({ config, pool, log }: Serving): HttpRoom[] {
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

/** The results API, with connections of its own: who asks does not keep the service from its work. */
function resultsOf({ config, log }: Serving): readonly HttpRoom[] {
  const { databaseUrl } = config;
  const pool = createPool({ databaseUrl, size: config.resultsPoolSize, name: "ccx results", log });
  const canceller = createPool({ databaseUrl, size: 1, name: "ccx results, cancelling", log });
  const reader = createReader({
    ...{ primary: pool, readUrl: config.databaseReadUrl, maxAgeSeconds: config.databaseReadMaxAgeSeconds },
    ...{ size: config.resultsPoolSize, name: "ccx results", log },
  });
  const options = {
    ...{ pool, reader, canceller, log, timeoutMs: config.resultsTimeoutMs },
    trustedPeers: networksOf(config.resultsTrustedPeers),
    internalOrganizations: new Set(config.resultsInternalOrganizations),
  };
  const apis =
    config.resultsApi === "aggregator"
      ? aggregatorApisFor({
          prefix: config.aggregatorPrefix,
          debug: config.aggregatorDebug,
          requiresIdentity: config.aggregatorAuth,
        })
      : publicApis;
  const rooms = resultsRooms(options, apis);
  const [first, ...others] = rooms;
  if (first === undefined) return rooms;
  const ending: HttpRoom = {
    ...first,
    async plugin(server, options) {
      server.addHook("onClose", async () => {
        await Promise.all([endPool(pool), reader.end()]);
        await endPool(canceller);
      });
      await first.plugin(server, options);
    },
  };
  return [ending, ...others];
}

/** The console with connections of its own; `pool` is ended with it. */
export function consoleOf(
  { config, log }: Pick<Serving, "config" | "log">,
  pool = createPool({ databaseUrl: config.databaseUrl, size: 6, name: "ccx console", log }),
): HttpRoom {
  return consoleRoom({
    pool,
    canceller: createPool({ databaseUrl: config.databaseUrl, size: 1, name: "ccx console, cancelling", log }),
    reader: createReader({
      ...{ primary: pool, readUrl: config.databaseReadUrl, maxAgeSeconds: config.databaseReadMaxAgeSeconds },
      ...{ size: 6, name: "ccx console", log },
    }),
    databaseUrl: config.databaseUrl,
    log,
    release,
    who: {
      tokensFile: config.consoleTokensFile,
      trustedProxies: (config.consoleTrustedProxies ?? "")
        .split(",")
        .map((one) => one.trim())
        .filter(Boolean),
      identityHeader: config.consoleIdentityHeader.toLowerCase(),
    },
    // with the connection of the person, whose rights count for what is shown and stored
    show: (db, id) => shownMessage(db as Pool, id, log, bodyOptionsOf(config)),
    showIssue: (db, issue, how) => shownIssue(db as Pool, claimedIssueSchema.parse(issue), how, log),
    async retry(db, id) {
      const { stored, replaced, unchanged, rejected, done_already } = await retryRejected(db as Pool, {
        places: [id],
      });
      return { stored: stored + replaced + unchanged, rejected, others: done_already };
    },
  });
}
