import type { Command } from "commander";
import type { Pool } from "pg";
import { requireKeys } from "../config/config.ts";
import type { ContentDiff } from "../content/source/diff.ts";
import type { Stored } from "../content/source/load.ts";
import type { Refused } from "../content/source/problems.ts";
import { kept, undone } from "../db/undone.ts";
import { agreed, asking } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows, table, visible } from "./output.ts";
import * as sql from "./sql.ts";

type Options = { json?: true; yes?: true };

/**
 * `ccx content load|accept|diff|fetch|rename`: what rules say is taken over rule by rule; what does not
 * conform is left out and named.
 */
export function addContentCommands(program: Command, context: Context): void {
  const content = program.command("content").description("what rules say");

  content
    .command("load")
    .argument("<dir>", "folder in the layout of the content service")
    .option("--json", "print the counts as JSON")
    .option("--yes", "take it over however much it changes")
    .description("take over the rule content of a folder; what does not conform is left out and named")
    .action(async (directory: string, options: Options) => {
      const [{ loadContent }, { isTooMuch }] = await Promise.all([
        import("../content/source/load.ts"),
        import("../content/sql.ts"),
      ]);
      const load = (pool: Pool) =>
        asking(options.yes, isTooMuch, (accepted) => loadContent(pool, directory, accepted));
      await print(await context.withDatabase(load), options);
    });

  content
    .command("accept")
    .description("agree, once and for an hour, to a load by the worker that would change too much")
    .action(async () => {
      const { acceptContent } = await import("../content/sql.ts");
      const until = await context.withDatabase(acceptContent);
      console.log(`The next load that would change too much is taken over, until ${until}.`);
    });

  content
    .command("diff")
    .argument("<dir>", "folder in the layout of the content service")
    .option("--json", "one JSON object")
    .description("what a load would change, and whose decisions; exit code 3 when nothing")
    .action(async (directory: string, { json }: { json?: true }) => {
      const { diffContent } = await import("../content/source/diff.ts");
      const diff = await context.withDatabase((pool) => diffContent(pool, directory));
      await warnOf(diff.refused);
      console.log(json ? JSON.stringify(diff) : inWords(diff));
      if (diff.content.length === 0) process.exitCode = 3;
    });

  content
    .command("fetch")
    .option("--json", "print the counts as JSON")
    .option("--yes", "take it over however much it changes")
    .description("take over the rule content of the content service (CCX_CONTENT_URL), as load does")
    .action(async (options: Options) => {
      const { config } = context.config();
      requireKeys(config, ["databaseUrl", "contentUrl"]);
      const [{ contentSourceOf, fetchContent, nameOf }, { storeContent }, { isTooMuch }] = await Promise.all([
        import("../content/source/fetch.ts"),
        import("../content/source/load.ts"),
        import("../content/sql.ts"),
      ]);
      const source = contentSourceOf(config);
      const stored = await context.withDatabase(async (pool) => {
        const read = await fetchContent(source);
        return asking(options.yes, isTooMuch, (accepted) =>
          storeContent(pool, read, nameOf(source), accepted),
        );
      });
      await print(stored, options);
    });

  content
    .command("rename")
    .argument("<old>", "the name that the rule had, in any spelling; with its module, only that one")
    .argument("<new>", "the name that it has now; with its module, if that is another one")
    .option("--json", "one JSON array")
    .option("--yes", "rename it however many open issues it has")
    .description("let the issues of a rule go on under its new name, with all that was said of the old one")
    .action(async (old: string, name: string, { json, yes }: Options) => {
      const renamed = await context.withDatabase((pool) =>
        undone(pool, async (client) => {
          const done = await sql.renameRule(client, old, name);
          if (await sql.concernsMany(client, done.issues))
            await agreed(yes, `This renames ${done.issues} issues. Go on?`, "Nothing was renamed.");
          await kept(client);
          return done;
        }),
      );
      printRows([renamed], { json, empty: "" });
    });
}

/** The first names; how many more there are. */
const some = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;

async function print({ loaded, refused }: Stored, { json }: Options): Promise<void> {
  await warnOf(refused);
  const { added, changed, removed, unchanged, vanished, appeared } = loaded;
  if (vanished.length > 0 && appeared.length > 0)
    console.error(
      visible(`ccx: Together vanished ${some(vanished)} and appeared ${some(appeared)}. `) +
        "If a rule has another name now: ccx content rename OLD NEW.",
    );
  const leftOut = refused.length > 0 ? `, ${refused.length} left out` : "";
  console.log(
    json
      ? JSON.stringify(loaded)
      : `${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged${leftOut}`,
  );
}

async function warnOf(refused: readonly Refused[]): Promise<void> {
  const { refusedInWords } = await import("../content/source/refused.ts");
  for (const line of refusedInWords(refused)) console.error(`ccx: ${line}`);
}

function inWords({ content, decisions, too_much }: ContentDiff): string {
  if (content.length === 0) return "Nothing would change.";
  const refusal = too_much === null ? "" : `\n\nA load is refused: ${too_much}`;
  const decided =
    decisions.length === 0
      ? "No open issue would be decided differently."
      : `Open issues that would be decided differently:\n\n${table(decisions)}`;
  return `${table(content)}\n\n${decided}${refusal}`;
}
