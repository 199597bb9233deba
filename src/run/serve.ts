import type { Pool } from "pg";
import { consoleRoom } from "../console/plugin.ts";
import { createPool } from "../db/pool.ts";
import { shownMessage } from "../deliver/shown.ts";
import type { HttpRoom } from "../http/server.ts";
import { retryRejected } from "../ingest/retry.ts";
import { release } from "../version.ts";
import type { Parts } from "./parts.ts";

/** What this process serves beside its metrics and health: the rooms that answer HTTP. */
export function servedRooms({ config, log }: Omit<Parts, "kafka">): readonly HttpRoom[] {
  if (config.httpPort === 0) return [];
  return [
    consoleRoom({
      pool: createPool({ databaseUrl: config.databaseUrl, size: 6, name: "ccx console", log }),
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
      show: (db, id) => shownMessage(db as Pool, id, log),
      async retry(db, id) {
        const { stored, replaced, unchanged, rejected, done_already } = await retryRejected(db as Pool, {
          places: [id],
        });
        return { stored: stored + replaced + unchanged, rejected, others: done_already };
      },
    }),
  ];
}
