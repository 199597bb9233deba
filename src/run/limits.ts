import type { Config } from "../config/config.ts";

/** The limits that statements of this kind of work have (src/db/limits.ts). */
export function limitsOf(config: Config, kind: "ingest" | "decide" | "deliver" | "upkeep") {
  return {
    statementMs: config[`${kind}StatementTimeoutMs`],
    lockMs: config[`${kind}LockTimeoutMs`],
    idleInTransactionMs: config.idleInTransactionTimeoutMs,
  };
}
