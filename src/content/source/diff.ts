import type { Pool } from "pg";
import { inJson } from "./load.ts";
import { readContent } from "./read.ts";

type Row = Record<string, unknown>;

/** Rows of the views content_diff and explain_diff. */
export type ContentDiff = { content: Row[]; decisions: Row[] };

/**
 * What a load of this folder would change, and which open issues would be decided differently: the load is done, looked at,
 * and rolled back. Throws ContentError that names the bad file.
 */
export async function diffContent(pool: Pool, directory: string): Promise<ContentDiff> {
  const content = inJson(await readContent(directory));
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select load_content($1::jsonb)", [content]);
    const changes = await client.query(
      `select change, rule_name, error_key, columns, total_risk_before, total_risk from content_diff
       order by rule_name, error_key`,
    );
    const decisions = await client.query(
      `select target, org_id, cluster, component, error_key, decision_before, decision, reasons_before, reasons
       from explain_diff order by target, org_id, cluster, component, error_key`,
    );
    return { content: changes.rows, decisions: decisions.rows };
  } finally {
    // the connection ends, and with it the transaction
    client.release(true);
  }
}
