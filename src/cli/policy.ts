import type { Command } from "commander";
import type { Pool } from "pg";
import type { AnyRow, Db } from "../db/rows.ts";
import { kept, undone } from "../db/undone.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printFitting } from "./output.ts";
import { addPolicySimulateCommand } from "./policy_simulate.ts";
import { parseSettings } from "./settings.ts";
import * as sql from "./sql.ts";

type List = { target?: string; json?: boolean; wide?: boolean };

/** What a narrow table can do without, the least wanted first. */
const narrow = {
  width: 120,
  lessWanted: [
    ...["flapping_window", "flapping_occurrences", "flapping_action", "severity_threshold", "doubtful_texts"],
    ...[
      "notify_resolved",
      "max_report_age",
      "max_events",
      "spacing",
      "impact_threshold",
      "likelihood_threshold",
    ],
    ...["blocked_clusters", "allowed_clusters", "ended_by", "changed_by", "end_reason", "policy_id"],
  ],
} as const;
type Change = sql.PolicyScope & { reason: string };

/** `ccx policy list|history|set|end|withdraw|simulate`. */
export function addPolicyCommands(program: Command, context: Context): void {
  const policy = program.command("policy").description("who is notified of what");
  const list = (
    name: string,
    description: string,
    read: (db: Db, target: string | undefined) => Promise<AnyRow[]>,
  ) =>
    policy
      .command(name)
      .description(description)
      .option("--target <name>", "only this target")
      .option("--json", "one JSON array")
      .option("--wide", "every setting")
      .action(async ({ target, json, wide }: List) => {
        const rows = await context.withDatabase(async (pool) => {
          if (target !== undefined) await sql.targetId(pool, target);
          return read(pool, target);
        });
        printFitting(rows, { json, wide, empty: "No policy." }, narrow);
      });
  list("list", "the policies in force, the wider ones first", sql.policies);
  list("history", "every version, with who made it and why", sql.policyHistory);

  policy
    .command("set")
    .argument(
      "<setting=value...>",
      "for example enabled=true cooldown='3 days' required_tags=a,b filter='totalRisk > 2'",
    )
    .description("change the policy of a target, from now on; the clusters concerned are asked again")
    .requiredOption("--target <name>", "the target, for example 'service log'")
    .requiredOption("--reason <text>", "why")
    .option("--org <id>", "only for this organization")
    .option("--rule <rule>", "only for this rule, in any spelling")
    .option("--yes", "change it however many open issues it holds or releases")
    .action(async (settings: string[], given: Change & { yes?: boolean }) => {
      const change = parseSettings(settings);
      await context.withDatabase((pool) => setPolicy(pool, given, change));
      console.log(`The policy for ${given.target} is changed; clusters that report are asked again.`);
    });

  policy
    .command("end")
    .description("end the policy that an organization or a rule has of its own; the wider one counts again")
    .requiredOption("--target <name>", "the target, for example 'service log'")
    .requiredOption("--reason <text>", "why")
    .option("--org <id>", "that of this organization")
    .option("--rule <rule>", "that of this rule, in any spelling")
    .option("--yes", "end it however many open issues that holds or releases")
    .action(async (given: Change & { yes?: boolean }) => {
      await context.withDatabase((pool) =>
        undone(pool, async (client) => {
          const id = await sql.endPolicy(client, given, given.reason);
          await askOf(client, await sql.effectOfEnd(client, id), given.yes);
          await kept(client);
        }),
      );
      console.log(`That policy for ${given.target} has ended; clusters that report are asked again.`);
    });

  policy
    .command("withdraw")
    .argument("<id>", "number of a planned policy (policy_id of ccx policy history)")
    .description("take back a policy that is planned and has not begun")
    .requiredOption("--reason <text>", "why")
    .option("--yes", "take it back however many open issues it would have held or released")
    .action(async (id: string, given: { reason: string; yes?: boolean }) => {
      await context.withDatabase((pool) =>
        undone(pool, async (client) => {
          const effect = await sql.effectOfPolicy(client, id);
          await sql.withdrawPolicy(client, id, given.reason);
          await askOf(client, effect, given.yes);
          await kept(client);
        }),
      );
      console.log(`Policy ${id} is withdrawn; the one before it goes on.`);
    });

  addPolicySimulateCommand(policy, context);
}

/** Lets a person agree to what concerns many issues. */
async function askOf(
  client: Db,
  { held, released, open_issues }: { held: number; released: number; open_issues: number },
  yes: boolean | undefined,
): Promise<void> {
  if (!(await sql.concernsMany(client, held + released))) return;
  const question = `Of ${open_issues} open issues this holds ${held} and releases ${released}. Go on?`;
  await agreed(yes, question, `Nothing was changed: ${held + released} open issues are concerned.`);
}

/** In one transaction, which is rolled back unless a person agrees to what concerns many issues. */
async function setPolicy(
  pool: Pool,
  given: Change & { yes?: boolean },
  change: Record<string, unknown>,
): Promise<void> {
  await undone(pool, async (client) => {
    const id = await sql.setPolicy(client, given, change, given.reason);
    await askOf(client, await sql.effectOfPolicy(client, id), given.yes);
    await kept(client);
  });
}
