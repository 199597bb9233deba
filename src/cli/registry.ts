import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import type { Command } from "commander";
import { requireKeys } from "../config/config.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { asking } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows, visible } from "./output.ts";
import * as sql from "./sql.ts";

type Options = { json?: true; yes?: true };
type Load = Options & { source: string };
type List = { json?: true; org?: string; cluster?: string; source?: string; limit: string };

/** `ccx registry load|fetch|list|sources|end`: what clusters are called, and whether they are managed. */
export function addRegistryCommands(program: Command, context: Context): void {
  const registry = program.command("registry").description("names of clusters, and whether they are managed");

  registry
    .command("load")
    .argument("<file>", "CSV with a header: cluster, org_id, display_name, managed, status; - reads stdin")
    .option("--source <name>", "whose clusters they are: those of it that the file lacks are removed", "file")
    .option("--json", "print the counts as JSON")
    .option("--yes", "take it over however much it changes")
    .description(
      "make the clusters of a source what a file says; what does not conform is left out and named",
    )
    .action(async (file: string, { source, ...options }: Load) => {
      const [{ loadRegistry }, { isTooMuch }] = await Promise.all([
        import("../results/registry/load.ts"),
        import("../results/sql.ts"),
      ]);
      const bytes = await contentOf(file);
      const loaded = await context.withDatabase((pool) =>
        asking(options.yes, isTooMuch, (accepted) =>
          loadRegistry(pool, bytes, { source }, accepted).catch(naming(file)),
        ),
      );
      print(loaded, options);
    });

  registry
    .command("fetch")
    .option("--json", "print the counts as JSON")
    .option("--yes", "take it over however much it changes")
    .description("the same with what CCX_REGISTRY_URL gives out; exit code 3 when that has not changed")
    .action(async (options: Options) => {
      const { config } = context.config();
      requireKeys(config, ["databaseUrl", "registryUrl"]);
      const [{ takeRegistry }, { registrySourceOf }, { isTooMuch }] = await Promise.all([
        import("../results/registry/refresh.ts"),
        import("../results/registry/source.ts"),
        import("../results/sql.ts"),
      ]);
      const source = registrySourceOf(config);
      const loaded = await context.withDatabase((pool) =>
        asking(options.yes, isTooMuch, (accepted) => takeRegistry(pool, source, { accepted })),
      );
      if (loaded) return print(loaded, options);
      console.log(options.json ? "null" : "It has not changed since it was last loaded.");
      process.exitCode = 3;
    });

  registry
    .command("list")
    .option("--org <id>", "only of this organization")
    .option("--cluster <id>", "only this cluster")
    .option("--source <name>", "only what comes from there")
    .option("--limit <count>", "at most so many", "50")
    .option("--json", "one JSON array")
    .description("clusters as the registry has them; exit code 3 when there are none")
    .action(async ({ json, limit, ...filter }: List) => {
      if (!/^[1-9]\d{0,8}$/.test(limit))
        throw new ConfigurationError("--limit has to be a whole number from 1 on.");
      const rows = await context.withDatabase((pool) => sql.registeredClusters(pool, filter, limit));
      printRows(rows, { json, empty: "No cluster is registered." });
      if (rows.length === 0) process.exitCode = 3;
    });

  registry
    .command("sources")
    .option("--json", "one JSON array")
    .description("where clusters come from, and how the last load went; exit code 3 when from nowhere")
    .action(async ({ json }: { json?: true }) => {
      const rows = await context.withDatabase((pool) => sql.registrySources(pool));
      printRows(rows, { json, empty: "Nothing was loaded." });
      if (rows.length === 0) process.exitCode = 3;
    });

  registry
    .command("end")
    .argument("<source>", "its name, as in ccx registry sources")
    .option("--with-clusters", "remove its clusters, too; without it they stay, as if written by hand")
    .description("remove a source that nobody asks any more; refused while somebody does")
    .action(async (source: string, { withClusters = false }: { withClusters?: boolean }) => {
      const clusters = await context.withDatabase((pool) =>
        sql.endRegistrySource(pool, source, withClusters),
      );
      const what = withClusters ? "were removed with it" : "stay, as if written by hand";
      console.log(`The source is removed; ${clusters} clusters ${what}.`);
    });
}

/** @throws ConfigurationError when it cannot be read, or is larger than a registry may be */
async function contentOf(file: string): Promise<Buffer> {
  const { maxRegistryBytes } = await import("../results/registry/lines.ts");
  const stream: Readable = file === "-" ? process.stdin : createReadStream(file);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxRegistryBytes) throw new ConfigurationError("is over 128 MiB");
    }
  } catch (error) {
    return naming(file)(
      error instanceof ConfigurationError
        ? error
        : new ConfigurationError(`cannot be read (${messageOf(error)})`, { cause: error }),
    );
  }
  return Buffer.concat(chunks);
}

const naming = (file: string) => (error: unknown) => {
  if (!(error instanceof ConfigurationError)) throw error;
  throw new ConfigurationError(`${file === "-" ? "stdin" : file} ${error.message}`, { cause: error.cause });
};

const linesShown = 20;

function print(
  loaded: {
    [count in "added" | "changed" | "removed" | "unchanged" | "kept" | "elsewhere" | "refused"]: number;
  } & {
    problems: string[];
  },
  { json }: Options,
): void {
  const { added, changed, removed, unchanged, kept, elsewhere, refused, problems } = loaded;
  for (const problem of problems.slice(0, linesShown)) console.error(`ccx: ${visible(problem)}`);
  if (refused > linesShown) console.error(`ccx: ${refused - linesShown} more lines are left out`);
  const more = [
    kept > 0 ? `, ${kept} kept as they were by hand or from another source` : "",
    elsewhere > 0 ? `, ${elsewhere} of other cells` : "",
    refused > 0 ? `, ${refused} left out` : "",
  ];
  console.log(
    json
      ? JSON.stringify(loaded)
      : `${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged${more.join("")}`,
  );
}
