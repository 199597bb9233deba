import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
import { confirmed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

type Matchers = { org?: string; cluster?: string; rule?: string; errorKey?: string; tag?: string };
type Add = Matchers & {
  until?: string;
  for?: string;
  reason: string;
  from?: string;
  everything?: boolean;
  json?: boolean;
};

const matcherValues = (given: Matchers) => [
  given.org ?? null,
  given.cluster ?? null,
  given.rule ?? null,
  given.errorKey ?? null,
  given.tag ?? null,
];

/** `ccx silence add|list|expire|preview`. */
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
    .action(async (given: Add) => {
      if ((given.until === undefined) === (given.for === undefined)) {
        throw new ConfigurationError("A silence needs an end: --until TIME or --for INTERVAL.");
      }
      const all = matcherValues(given).every((value) => value === null);
      if (all && !given.everything && !(await confirmed("This holds every notification. Go on? [y/N] "))) {
        throw new ConfigurationError(
          "Nothing was silenced. --everything says that all notifications are meant.",
        );
      }
      const rows = await context.withDatabase(async (pool) => {
        const result = await pool.query(
          `select id, lower(period) as starts_at, upper(period) as ends_at, reason, created_by
           from add_silence(
             ends_at => coalesce($6::timestamptz, coalesce($8::timestamptz, now()) + $7::interval),
             org_id => $1, cluster => $2, rule => $3, error_key => $4, tag => $5,
             starts_at => $8, reason => $9, everything => $10)`,
          [
            ...matcherValues(given),
            given.until ?? null,
            given.for ?? null,
            given.from ?? null,
            given.reason,
            all || given.everything === true,
          ],
        );
        return result.rows;
      });
      printRows(rows, { json: given.json, empty: "" });
    });

  silence
    .command("list")
    .description("pending and active silences; exit code 3 when there are none")
    .option("--all", "those that are over, too")
    .option("--json", "JSON for programs")
    .action(async (given: { all?: boolean; json?: boolean }) => {
      const rows = await context.withDatabase(async (pool) => {
        const result = await pool.query(
          "select * from silences where $1 or state <> 'expired' order by starts_at, id",
          [given.all ?? false],
        );
        return result.rows;
      });
      printRows(rows, { json: given.json, empty: "No silence." });
      if (rows.length === 0) process.exitCode = 3;
    });

  silence
    .command("expire")
    .argument("<id>", "number of the silence")
    .description("end a silence early; it stays on record")
    .action(async (id: string) => {
      await context.withDatabase((pool) => pool.query("select end_silence($1)", [id]));
      console.log(`Silence ${id} has ended; what it held is asked again.`);
    });

  withMatchers(silence.command("preview"))
    .description("the open issues that such a silence would hold; exit code 3 when there are none")
    .action(async (given: Matchers & { json?: boolean }) => {
      const rows = await context.withDatabase(async (pool) => {
        const result = await pool.query(
          `select * from preview_silence(org_id => $1, cluster => $2, rule => $3, error_key => $4, tag => $5)
           order by org_id, cluster, component, error_key`,
          matcherValues(given),
        );
        return result.rows;
      });
      printRows(rows, { json: given.json, empty: "It would hold nothing." });
      if (rows.length === 0) process.exitCode = 3;
    });
}
