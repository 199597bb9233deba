import type { Command } from "commander";
import { kept, undone } from "../db/undone.ts";
import { ConfigurationError } from "../errors.ts";
import { agreed, confirmed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

type Add = sql.Matchers & {
  until?: string;
  for?: string;
  reason: string;
  from?: string;
  everything?: boolean;
  yes?: boolean;
  json?: boolean;
};

/** `ccx silence add|end|list|preview`. */
export function addSilenceCommands(program: Command, context: Context): void {
  const silence = program.command("silence").description("hold notifications for a while");
  const withMatchers = (command: Command) =>
    command
      .option("--org <id>", "of this organization")
      .option("--cluster <id>", "of this cluster")
      .option("--rule <rule>", "of this rule, in any spelling (x|KEY names the error key, too)")
      .option("--error-key <key>", "of this error key")
      .option("--tag <tag>", "of rules with this tag")
      .option("--json", "JSON for programs");

  withMatchers(silence.command("add"))
    .description("hold notifications that match all that is given")
    .requiredOption("--reason <text>", "why")
    .option("--until <time>", "when it ends, for example 2026-12-24T08:00Z")
    .option("--for <interval>", "how long it holds, for example '2 days'")
    .option("--from <time>", "when it begins (now)")
    .option("--everything", "hold all notifications; asked to confirm unless this is given")
    .option("--yes", "hold them however many open issues match")
    .action(async (given: Add) => {
      if (given.until === undefined && given.for === undefined)
        throw new ConfigurationError("A silence needs an end: --until TIME or --for INTERVAL.");
      if (given.until !== undefined && given.for !== undefined)
        throw new ConfigurationError("A silence has one end: leave --until or --for out.");
      const { org, cluster, rule, errorKey, tag } = given;
      const matchers = { org, cluster, rule, errorKey, tag };
      const all = Object.values(matchers).every((value) => value === undefined);
      if (all && !given.everything && !(await confirmed("This holds every notification. Go on? [y/N] "))) {
        throw new ConfigurationError(
          "Nothing was silenced. --everything says that all notifications are meant.",
        );
      }
      const everything = all || given.everything === true;
      const added = await context.withDatabase(async (pool) => {
        // rolled back unless a person agrees to what concerns many issues
        return undone(pool, async (client) => {
          const id = await sql.addSilence(client, matchers, { ...given, everything });
          const holds = await sql.silenceHolds(client, id);
          if (!everything && (await sql.concernsMany(client, holds)))
            await agreed(given.yes, `This holds ${holds} open issues. Go on?`, "Nothing was silenced.");
          const silence = await sql.silenceById(client, id);
          await kept(client);
          return { ...silence, holds };
        });
      });
      printRows([added], { json: given.json, empty: "" });
    });

  silence
    .command("list")
    .description("pending and active silences; exit code 3 when there are none")
    .option("--all", "those that are over, too")
    .option("--json", "JSON for programs")
    .action(async (given: { all?: boolean; json?: boolean }) => {
      const states = ["pending", "active", ...(given.all ? ["expired"] : [])];
      const rows = await context.withDatabase((pool) => sql.silences(pool, states));
      printRows(rows, { json: given.json, empty: "No silence." });
      if (rows.length === 0) process.exitCode = 3;
    });

  silence
    .command("end")
    .argument("<id>", "number of the silence")
    .description("end a silence early; it stays on record")
    .option("--yes", "end it however many open issues it holds")
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      await context.withDatabase((pool) =>
        undone(pool, async (client) => {
          const held = (await sql.isInForce(client, id)) ? await sql.silenceHolds(client, id) : 0;
          await sql.endSilence(client, id);
          if (await sql.concernsMany(client, held))
            await agreed(yes, `It holds ${held} open issues. Go on?`, "The silence goes on.");
          await kept(client);
        }),
      );
      console.log(`Silence ${id} has ended; what it held is asked again.`);
    });

  withMatchers(silence.command("preview"))
    .description("the open issues that such a silence would hold; exit code 3 when there are none")
    .action(async (given: sql.Matchers & { json?: boolean }) => {
      const rows = await context.withDatabase(async (pool) => {
        const found = await sql.previewSilence(pool, given);
        if (found.length === 0) await sql.noticeUnknownNames(pool, given);
        return found;
      });
      printRows(rows, { json: given.json, empty: "It would hold nothing." });
      if (rows.length === 0) process.exitCode = 3;
    });
}
