import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

type Scope = { org?: string; target?: string; rule?: string; at?: string; json?: boolean };
type Explain = Scope & { report?: string; all?: boolean };

/** `ccx explain` and `ccx new`: explain_at(), explain_report() and new_issues_at() from the shell. */
export function addDecisionCommands(program: Command, context: Context): void {
  const select = (sql: string, values: unknown[]) =>
    context.withDatabase(async (pool) => (await pool.query(sql, values)).rows);

  program
    .command("explain")
    .argument("[cluster]", "only this cluster")
    .description("why (not): every open issue and target, with every reason; exit code 3 when there is none")
    .option("--org <id>", "only this organization")
    .option("--target <name>", "only this target")
    .option("--rule <rule>", "only this rule, in any spelling")
    .option("--at <time>", "as it was at this time, with what was known then")
    .option("--report <org/cluster/time>", "what became of one stored report, hit by hit")
    .option("--all", "the whole fleet")
    .option("--json", "one JSON array")
    .action(async (cluster: string | undefined, scope: Explain) => {
      const { report, target, json } = scope;
      if (report !== undefined) {
        if (cluster ?? scope.org ?? scope.rule ?? scope.at ?? scope.all)
          throw new ConfigurationError("--report names one report: only --target goes with it.");
        const rows = await select(
          `select target, report_state, component, error_key, decided_at, decision, reasons, issue_state, last_notified_at,
             next_eligible_at, policy_id, silence_id, acknowledgement_id
           from explain_report($1, $2, $3)
           where $4::text is null or target = (select name from event_targets where id = target_id($4))`,
          [...parseReport(report), target ?? null],
        );
        printRows(rows, {
          json,
          empty: "No such report. Its time is updated_at in new_reports, to the microsecond.",
        });
        if (rows.length === 0) process.exitCode = 3;
        return;
      }
      if (!(cluster ?? scope.org ?? scope.rule ?? scope.all))
        throw new ConfigurationError("Name a cluster, --org or --rule; --all explains the whole fleet.");
      const rows = await select(
        `select target, org_id, cluster, component, error_key, decision, reasons, issue_state, total_risk, last_notified_at,
           next_eligible_at, policy_id, silence_id, acknowledgement_id, render_error
         from explain_at(coalesce($5::timestamptz, now()), $3, $1)
         where ($2::bigint is null or org_id = $2) and ($4::text is null or ccx.rule_name(component) = ccx.rule_name($4))
         order by org_id, cluster, component, error_key, target`,
        [cluster ?? null, scope.org ?? null, target ?? null, scope.rule ?? null, scope.at ?? null],
      );
      printRows(rows, { json, empty: "No open issue." });
      if (rows.length === 0) process.exitCode = 3;
    });

  program
    .command("new")
    .description("what would be notified if the decision were made now; exit code 3 when there is nothing")
    .option("--org <id>", "only this organization")
    .option("--target <name>", "only this target")
    .option("--at <time>", "what a decision at this time would have notified, or did tell")
    .option("--json", "one JSON array")
    .action(async ({ org, target, at, json }: Scope) => {
      const rows = await select(
        `select target, org_id, cluster, component, error_key, issue_state, total_risk, occurrence, first_seen,
           last_notified_at
         from new_issues_at(coalesce($3::timestamptz, now()), $2)
         where $1::bigint is null or org_id = $1
         order by org_id, cluster, component, error_key, target`,
        [org ?? null, target ?? null, at ?? null],
      );
      printRows(rows, { json, empty: "Nothing is new." });
      if (rows.length === 0) process.exitCode = 3;
    });
}

/** Organization, cluster and time of a report. */
function parseReport(text: string): string[] {
  const [, ...parts] = /^([^/]+)\/([^/]+)\/(.+)$/.exec(text) ?? [];
  if (parts.length === 0)
    throw new ConfigurationError(`"${text}" is not of the form ORG/CLUSTER/TIME, as in new_reports.`);
  return parts;
}
