import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

type Scope = { org?: string; target?: string; rule?: string; json?: boolean };

/** `ccx explain` and `ccx new`: the views explain_notification and new_issues from the shell. */
export function addDecisionCommands(program: Command, context: Context): void {
  program
    .command("explain")
    .argument("[cluster]", "only this cluster")
    .description("why (not): every open issue and target, with every reason; exit code 3 when there is none")
    .option("--org <id>", "only this organization")
    .option("--target <name>", "only this target")
    .option("--rule <rule>", "only this rule, in any spelling")
    .option("--json", "one JSON array")
    .action(async (cluster: string | undefined, scope: Scope) => {
      const rows = await context.withDatabase(async (pool) => {
        const result = await pool.query(
          `select target, org_id, cluster, component, error_key, decision, reasons, total_risk, last_told_at,
             next_eligible_at, policy_id, silence_id, acknowledgement_id
           from explain_notification
           where ($1::text is null or cluster = $1) and ($2::bigint is null or org_id = $2)
             and ($3::text is null or target = $3) and ($4::text is null or rule_name(component) = rule_name($4))
           order by org_id, cluster, component, error_key, target`,
          [cluster ?? null, scope.org ?? null, scope.target ?? null, scope.rule ?? null],
        );
        return result.rows;
      });
      printRows(rows, { json: scope.json, empty: "No open issue." });
      if (rows.length === 0) process.exitCode = 3;
    });

  program
    .command("new")
    .description("what would be told if the decision were made now; exit code 3 when there is nothing")
    .option("--org <id>", "only this organization")
    .option("--target <name>", "only this target")
    .option("--json", "one JSON array")
    .action(async (scope: Scope) => {
      const rows = await context.withDatabase(async (pool) => {
        const result = await pool.query(
          `select target, org_id, cluster, component, error_key, total_risk, occurrence, first_seen, last_told_at
           from new_issues
           where ($1::bigint is null or org_id = $1) and ($2::text is null or target = $2)
           order by org_id, cluster, component, error_key, target`,
          [scope.org ?? null, scope.target ?? null],
        );
        return result.rows;
      });
      printRows(rows, { json: scope.json, empty: "Nothing is new." });
      if (rows.length === 0) process.exitCode = 3;
    });
}
