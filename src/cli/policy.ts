import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import { parseSettings } from "./settings.ts";

type Scope = { org?: string; rule?: string; reason: string };

const columns = `t.name as target, p.org_id, p.rule_name, p.enabled, p.total_risk_threshold, p.likelihood_threshold,
  p.impact_threshold, p.severity_threshold, p.required_tags, p.cooldown::text as cooldown, p.max_events, p.filter,
  p.allowed_clusters, p.blocked_clusters, p.spacing::text as spacing, p.flapping_occurrences,
  p.flapping_window::text as flapping_window, p.flapping_action, p.notify_resolved, lower(p.validity)::text as since`;

/** `ccx policy show|history|set|end`. */
export function addPolicyCommands(program: Command, context: Context): void {
  const policy = program.command("policy").description("who is notified of what");
  const list = (name: string, description: string, query: string) =>
    policy
      .command(name)
      .argument("[target]", "only this target")
      .description(description)
      .option("--json", "one JSON array")
      .action(async (target: string | undefined, { json }: { json?: boolean }) => {
        const rows = await context.withDatabase(
          async (pool) => (await pool.query(query, [target ?? null])).rows,
        );
        printRows(rows, { json, empty: "No policy." });
      });
  list(
    "show",
    "the policies in force, the wider ones first",
    `select ${columns} from policy p join event_targets t on t.id = p.target_id
     where p.validity @> now() and ($1::text is null or t.id = target_id($1))
     order by t.id, p.org_id nulls first, p.rule_name nulls first`,
  );
  list(
    "history",
    "every version, with who made it and why",
    `select ${columns}, upper(p.validity)::text as until, p.changed_by, p.reason, p.ended_by, p.end_reason
     from policy p join event_targets t on t.id = p.target_id
     where $1::text is null or t.id = target_id($1)
     order by t.id, lower(p.validity), p.id`,
  );

  policy
    .command("set")
    .argument("<target>", "for example 'service log'")
    .argument(
      "<setting=value...>",
      "for example enabled=true cooldown='3 days' required_tags=a,b filter='totalRisk > 2'",
    )
    .description("change the policy of a target, from now on; the clusters concerned are asked again")
    .requiredOption("--reason <text>", "why")
    .option("--org <id>", "only for this organization")
    .option("--rule <rule>", "only for this rule, in any spelling")
    .action(async (target: string, settings: string[], given: Scope) => {
      const change = parseSettings(settings);
      await context.withDatabase((pool) =>
        pool.query("select set_policy($1, $2, $3, org_id => $4, rule => $5)", [
          ...[target, JSON.stringify(change), given.reason, given.org ?? null, given.rule ?? null],
        ]),
      );
      console.log(`The policy for ${target} is changed; clusters that report are asked again.`);
    });

  policy
    .command("end")
    .argument("<target>", "for example 'service log'")
    .description("end the policy that an organization or a rule has of its own; the wider one counts again")
    .requiredOption("--reason <text>", "why")
    .option("--org <id>", "that of this organization")
    .option("--rule <rule>", "that of this rule, in any spelling")
    .action(async (target: string, given: Scope) => {
      await context.withDatabase((pool) =>
        pool.query("select end_policy($1, $2, org_id => $3, rule => $4)", [
          ...[target, given.reason, given.org ?? null, given.rule ?? null],
        ]),
      );
      console.log(`That policy for ${target} has ended; clusters that report are asked again.`);
    });
}
