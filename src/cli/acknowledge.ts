import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
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
    .option("--reason <text>", "why; there is no place for it with --cluster")
    .option("--undo", "tell about it again; exit code 3 when there was nothing to undo")
    .description("do not tell an organization (or a cluster) about a rule until it is undone")
    .action(async (rule: string, given: Given) => {
      const { org, cluster = null, errorKey = null, reason, undo } = given;
      if (reason !== undefined && (undo || cluster !== null)) {
        throw new ConfigurationError(
          undo
            ? "--reason is for an acknowledgement; an undone one keeps none."
            : "A reason is not kept for one cluster (cluster_rule_toggle has no column for it): leave --reason out, or use ccx silence add --cluster, which keeps it.",
        );
      }
      const done = await context.withDatabase(async (pool) => {
        const { rows } = undo
          ? await pool.query("select unacknowledge($1, $2, $3, $4) as done", [org, rule, cluster, errorKey])
          : await pool.query("select acknowledge($1, $2, $3, $4, $5) as done", [
              ...[org, rule, cluster, errorKey, reason ?? null],
            ]);
        return rows[0].done as boolean;
      });
      if (undo && !done) process.exitCode = 3;
      console.log(
        undo
          ? done
            ? "Undone."
            : "There was nothing to undo."
          : done
            ? "Acknowledged."
            : "It was so already.",
      );
    });
}
