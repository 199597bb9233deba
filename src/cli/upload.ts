import type { Command } from "commander";
import { kept, undone } from "../db/undone.ts";
import { ConfigurationError } from "../errors.ts";
import { agreed, confirmed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printFitting, printRows } from "./output.ts";
import * as sql from "./sql.ts";

type Json = { json?: boolean };
type List = Json & sql.UploadFilter & { limit: string; wide?: boolean };

type Limits = Json & { keep?: string; maxBytes?: string; yes?: true };

/**
 * `ccx upload list|show|archives|redrive|limits`: what clusters uploaded, where it is, and what is kept of
 * it.
 */
export function addUploadCommands(program: Command, context: Context): void {
  const upload = program.command("upload").description("archives that clusters uploaded");
  const listed = (
    command: Command,
    empty: string,
    lessWanted: readonly string[],
    find: (...given: Parameters<typeof sql.uploads>) => ReturnType<typeof sql.uploads>,
  ) =>
    command
      .option("--org <id>", "only of this organization")
      .option("--cluster <id>", "only of this cluster, where the identity named one")
      .option("--since <time>", "only what arrived at this time or later")
      .option("--limit <count>", "at most so many", "50")
      .option("--wide", "every column, whatever the width")
      .option("--json", "JSON for programs")
      .action(async ({ limit, wide, json, ...filter }: List) => {
        if (!/^[1-9]\d{0,8}$/.test(limit))
          throw new ConfigurationError("--limit has to be a whole number from 1 on.");
        const rows = await context.withDatabase((pool) => find(pool, filter, limit));
        printFitting(rows, { json, wide, empty }, { width: 120, lessWanted });
        if (rows.length === 0) process.exitCode = 3;
      });
  listed(
    upload
      .command("list")
      .description("where each upload is, the newest first; exit code 3 when there are none")
      .option("--state <state>", "only in this state: stored, announced, processing, done, failed, …"),
    "There are no uploads.",
    ["storing", "announcing", "waiting", "processing", "size"],
    sql.uploads,
  );
  listed(
    upload
      .command("archives")
      .description(
        "contents that are kept, until when, and which are the same; exit code 3 when there are none",
      ),
    "No content is kept.",
    ["sha256", "stored_at", "store"],
    sql.uploadedArchives,
  );

  upload
    .command("show")
    .argument("<request>", "its request id")
    .description("where an upload is, and all that was said about it; exit code 3 when nobody knows it")
    .option("--json", "JSON for programs")
    .action(async (request: string, { json }: Json) => {
      const [found, said] = await context.withDatabase(
        async (pool) =>
          [await sql.uploadStatus(pool, request), await sql.saidOfUpload(pool, request)] as const,
      );
      if (json) console.log(JSON.stringify(found ? { ...found, said } : null));
      else if (!found) console.log("Nobody knows this request id.");
      else {
        const facts = Object.entries(found).filter(([, value]) => value !== null);
        printRows(
          facts.map(([name, value]) => ({ what: name.replaceAll("_", " "), is: value })),
          { empty: "" },
        );
        console.log();
        printRows(said, { empty: "Nothing was said about it." });
      }
      if (!found) process.exitCode = 3;
    });

  upload
    .command("redrive")
    .argument("[request]", "a request id")
    .option("--all", "all that were given up and whose archives are still kept")
    .option("--yes", "do not ask")
    .option("--json", "JSON for programs")
    .description("announce again what Kafka refused for good; exit code 3 when there is nothing to announce")
    .action(async (request: string | undefined, { all, yes, json }: Json & { all?: true; yes?: true }) => {
      if ((request === undefined) !== (all ?? false))
        throw new ConfigurationError("Name the request id, or say --all.");
      if (all && !yes && !(await confirmed("Announce all of them again? [y/N] ")))
        throw new ConfigurationError("Nothing was announced. --yes says that all of them are meant.");
      const redriven = await context.withDatabase((pool) => sql.redriveAnnouncements(pool, request ?? null));
      printRows([{ redriven }], { json, empty: "" });
      if (redriven === 0) process.exitCode = 3;
    });

  upload
    .command("limits")
    .description("how long and how much of the contents is kept, and what goes next; with options: change it")
    .option("--keep <interval>", "keep contents for so long, for example '8 days'")
    .option(
      "--max-bytes <size>",
      "keep no more than the newest of this size, for example 200GiB; none: no limit",
    )
    .option("--yes", "change it whatever that lets go")
    .option("--json", "JSON for programs")
    .action(async ({ keep, maxBytes, yes, json }: Limits) => {
      const bytes = maxBytes === undefined ? undefined : bytesIn(maxBytes);
      const room = await context.withDatabase((pool) =>
        undone(pool, async (client) => {
          const before = await sql.archiveRoomNow(client);
          if (keep === undefined && bytes === undefined) return before;
          await sql.setArchiveLimits(
            client,
            keep ?? before.keep,
            bytes === undefined ? before.max_bytes : bytes,
          );
          const after = await sql.archiveRoomNow(client);
          const archives = after.past_archives - before.past_archives;
          if (archives > 0) {
            const size = after.past_bytes - before.past_bytes;
            const question = `Contents of archives that go by that: ${archives}, with ${size} bytes. Go on?`;
            await agreed(yes, question, "Nothing was changed.");
          }
          await kept(client);
          return after;
        }),
      );
      printRows([room], { json, empty: "" });
    });
}

const units = ["", "KIB", "MIB", "GIB", "TIB"];

/** Bytes in digits; null: no limit. @throws ConfigurationError for what is no size */
function bytesIn(text: string): string | null {
  if (text === "none") return null;
  const [, digits = "", unit = ""] = /^(\d{1,15}) ?([kmgt]ib)?$/i.exec(text) ?? [];
  const bytes = BigInt(digits) * 1024n ** BigInt(units.indexOf(unit.toUpperCase()));
  if (digits === "" || bytes >= 2n ** 63n)
    throw new ConfigurationError(
      "--max-bytes has to be a number of bytes, one with a unit (KiB, MiB, GiB, TiB), or none.",
    );
  return String(bytes);
}
