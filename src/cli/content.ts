import type { Command } from "commander";
import { requireKeys } from "../config.ts";
import { contentSourceOf, fetchContent } from "../content/fetch.ts";
import { type Loaded, loadContent, storeContent } from "../content/load.ts";
import type { Context } from "./context.ts";

/** `ccx content load` and `ccx content fetch`: take over what rules say, all of it or, when something is bad, nothing. */
export function addContentCommands(program: Command, context: Context): void {
  const content = program.command("content").description("what rules say");

  content
    .command("load")
    .argument("<dir>", "folder in the layout of the content service")
    .option("--json", "print the counts as JSON")
    .description("take over the rule content of a folder, all of it or, when a file is bad, nothing")
    .action(async (directory: string, options: { json?: true }) => {
      print(await context.withDatabase((pool) => loadContent(pool, directory)), options);
    });

  content
    .command("fetch")
    .option("--json", "print the counts as JSON")
    .description("take over the rule content of the content service (CCX_CONTENT_URL), all of it or nothing")
    .action(async (options: { json?: true }) => {
      const { config } = context.config();
      requireKeys(config, ["databaseUrl", "contentUrl"]);
      const source = contentSourceOf(config);
      print(
        await context.withDatabase(async (pool) => storeContent(pool, await fetchContent(source))),
        options,
      );
    });
}

function print(loaded: Loaded, { json }: { json?: true }): void {
  const { added, changed, removed, unchanged } = loaded;
  console.log(
    json
      ? JSON.stringify(loaded)
      : `${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged`,
  );
}
