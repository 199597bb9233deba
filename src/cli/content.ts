import type { Command } from "commander";
import { requireKeys } from "../config/config.ts";
import type { ContentDiff } from "../content/source/diff.ts";
import type { Stored } from "../content/source/load.ts";
import type { Refused } from "../content/source/refused.ts";
import type { Context } from "./context.ts";
import { table } from "./output.ts";

/**
 * `ccx content load|diff|fetch`: what rules say is taken over rule by rule; what does not conform is left out
 * and named.
 */
export function addContentCommands(program: Command, context: Context): void {
  const content = program.command("content").description("what rules say");

  content
    .command("load")
    .argument("<dir>", "folder in the layout of the content service")
    .option("--json", "print the counts as JSON")
    .description("take over the rule content of a folder; what does not conform is left out and named")
    .action(async (directory: string, options: { json?: true }) => {
      const { loadContent } = await import("../content/source/load.ts");
      await print(await context.withDatabase((pool) => loadContent(pool, directory)), options);
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
    .description("take over the rule content of the content service (CCX_CONTENT_URL), as load does")
    .action(async (options: { json?: true }) => {
      const { config } = context.config();
      requireKeys(config, ["databaseUrl", "contentUrl"]);
      const [{ contentSourceOf, fetchContent, nameOf }, { storeContent }] = await Promise.all([
        import("../content/source/fetch.ts"),
        import("../content/source/load.ts"),
      ]);
      const source = contentSourceOf(config);
      await print(
        await context.withDatabase(async (pool) =>
          storeContent(pool, await fetchContent(source), nameOf(source)),
        ),
        options,
      );
    });
}

async function print({ loaded, refused }: Stored, { json }: { json?: true }): Promise<void> {
  await warnOf(refused);
  const { added, changed, removed, unchanged } = loaded;
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

function inWords({ content, decisions }: ContentDiff): string {
  if (content.length === 0) return "Nothing would change.";
  const decided =
    decisions.length === 0
      ? "No open issue would be decided differently."
      : `Open issues that would be decided differently:\n\n${table(decisions)}`;
  return `${table(content)}\n\n${decided}`;
}
