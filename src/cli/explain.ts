import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
import type { Context } from "./context.ts";
import { printFitting } from "./output.ts";
import * as sql from "./sql.ts";

type Explain = sql.Question & { report?: string; all?: boolean; json?: boolean; wide?: boolean };
type New = Pick<sql.Question, "org" | "target" | "at"> & { json?: boolean; wide?: boolean };

/** What a narrow table can do without, the least wanted first. */
const narrow = {
  width: 120,
  lessWanted: [
    ...[
      "policy_id",
      "acknowledgement_id",
      "silence_id",
      "first_seen",
      "occurrence",
      "issue_state",
      "render_error",
    ],
    ...["total_risk", "last_notified_at", "decided_at", "decision", "org_id", "next_eligible_at"],
  ],
} as const;

/** `ccx explain` and `ccx new`: explain_at(), explain_report() and new_issues_at() from the shell. */
export function addExplainCommands(program: Command, context: Context): void {
  program
    .command("explain")
    .description("why (not): every open issue and target, with every reason; exit code 3 when there is none")
    .option("--cluster <id>", "only this cluster")
    .option("--org <id>", "only this organization")
    .option("--target <name>", "only this target")
    .option("--rule <rule>", "only this rule, in any spelling")
    .option("--at <time>", "as it was at this time, with what was known then")
    .option("--report <org/cluster/time>", "what became of one stored report, hit by hit")
    .option("--all", "the whole fleet")
    .option("--json", "one JSON array")
    .option("--wide", "every column, and rules with their path")
    .action(async (given: Explain) => {
      const { report, target, json } = given;
      if (report !== undefined) {
        if (given.cluster ?? given.org ?? given.rule ?? given.at ?? given.all)
          throw new ConfigurationError("--report names one report: only --target goes with it.");
        const named = parseReport(report);
        const rows = await context.question(async (pool) => {
          if (target !== undefined) await sql.targetId(pool, target);
          return sql.explainReport(pool, { ...named, target });
        });
        printFitting(
          rows,
          {
            ...{ json, wide: given.wide },
            empty: "No such report. Its time is updated_at in new_reports, to the microsecond.",
          },
          narrow,
        );
        if (rows.length === 0) process.exitCode = 3;
        return;
      }
      if (!(given.cluster ?? given.org ?? given.rule ?? given.all))
        throw new ConfigurationError("Give --cluster, --org or --rule; --all explains the whole fleet.");
      const rows = await context.question(async (pool) => {
        const found = await sql.explainAt(pool, given);
        if (found.length === 0) await sql.noticeUnknownNames(pool, given);
        return found;
      });
      printFitting(rows, { json, wide: given.wide, empty: "No open issue." }, narrow);
      if (rows.length === 0) process.exitCode = 3;
    });

  program
    .command("new")
    .description("what would be notified if the decision were made now; exit code 3 when there is nothing")
    .option("--org <id>", "only this organization")
    .option("--target <name>", "only this target")
    .option("--at <time>", "what a decision at this time would have notified, or did notify")
    .option("--json", "one JSON array")
    .option("--wide", "every column, and rules with their path")
    .action(async ({ json, wide, ...given }: New) => {
      const rows = await context.question((pool) => sql.newIssuesAt(pool, given));
      printFitting(rows, { json, wide, empty: "Nothing is new." }, narrow);
      if (rows.length === 0) process.exitCode = 3;
    });
}

/** Organization, cluster and time of a report. */
function parseReport(text: string): { org: string; cluster: string; updatedAt: string } {
  const [, org, cluster, updatedAt] = /^([^/]+)\/([^/]+)\/(.+)$/.exec(text) ?? [];
  if (org === undefined || cluster === undefined || updatedAt === undefined)
    throw new ConfigurationError(`"${text}" is not of the form ORG/CLUSTER/TIME, as in new_reports.`);
  return { org, cluster, updatedAt };
}
