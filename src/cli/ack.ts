import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

type Add = sql.Acknowledged & { reason?: string };
type List = { org?: string; cluster?: string; json?: boolean };

/** `ccx ack add|remove|list`: an organization, or one of its clusters, does not want to hear of a rule. */
export function addAckCommands(program: Command, context: Context): void {
  const ack = program
    .command("ack")
    .description("rules that an organization, or one of its clusters, does not want to be notified of");
  const withScope = (command: Command) =>
    command
      .requiredOption("--rule <rule>", "the rule, in any spelling (x|KEY names the error key, too)")
      .requiredOption("--org <id>", "for this organization")
      .option("--cluster <id>", "only for this cluster of it")
      .option("--error-key <key>", "only this error key");

  withScope(ack.command("add"))
    .description("do not notify an organization (or a cluster) of a rule until that is removed")
    .option("--reason <text>", "why; there is no place for it with --cluster")
    .action(async (given: Add) => {
      if (given.reason !== undefined && given.cluster !== undefined)
        throw new ConfigurationError(
          "A reason is not kept for one cluster (cluster_rule_toggle has no column for it): leave " +
            "--reason out, or use ccx silence add --cluster, which keeps it.",
        );
      const done = await context.withDatabase((pool) => sql.acknowledge(pool, given, given.reason));
      console.log(done ? "Acknowledged." : "It was so already.");
    });

  withScope(ack.command("remove"))
    .description("notify of it again; exit code 3 when there was nothing to remove")
    .action(async (given: sql.Acknowledged) => {
      const done = await context.withDatabase((pool) => sql.unacknowledge(pool, given));
      if (!done) process.exitCode = 3;
      console.log(done ? "Removed." : "There was nothing to remove.");
    });

  ack
    .command("list")
    .description("the acknowledgements in force; exit code 3 when there are none")
    .option("--org <id>", "only of this organization")
    .option("--cluster <id>", "only for this cluster")
    .option("--json", "one JSON array")
    .action(async ({ json, ...given }: List) => {
      const rows = await context.withDatabase((pool) => sql.acknowledgements(pool, given));
      printRows(rows, { json, empty: "No acknowledgement." });
      if (rows.length === 0) process.exitCode = 3;
    });
}
