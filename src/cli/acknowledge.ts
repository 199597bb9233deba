import type { Command } from "commander";
import type { Context } from "./context.ts";

type Given = { org: string; cluster?: string; errorKey?: string; reason?: string; undo?: boolean };

/** `ccx ack`: an organization, or one of its clusters, does not want to hear of a rule. */
export function addAcknowledgeCommand(program: Command, context: Context): void {
  program
    .command("ack")
    .argument("<rule>", "the rule, in any spelling; x|KEY names the error key, too")
    .requiredOption("--org <id>", "for this organization")
    .option("--cluster <id>", "only for this cluster of it")
    .option("--error-key <key>", "only this error key")
    .option("--reason <text>", "why")
    .option("--undo", "tell about it again")
    .description("do not tell an organization (or a cluster) about a rule until it is undone")
    .action(async (rule: string, given: Given) => {
      const done = await context.withDatabase(async (pool) => {
        const { rows } = await pool.query(
          given.undo
            ? "select unacknowledge($1, $2, $3, $4) as done"
            : "select acknowledge($1, $2, $3, $4, $5) as done",
          [
            ...[given.org, rule, given.cluster ?? null, given.errorKey ?? null],
            ...(given.undo ? [] : [given.reason ?? null]),
          ],
        );
        return rows[0].done as boolean;
      });
      console.log(done ? (given.undo ? "Undone." : "Acknowledged.") : "It was so already.");
    });
}
