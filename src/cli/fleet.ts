import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { initFleet } from "../db/init_fleet.ts";
import type { AnyRow, Db } from "../db/rows.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import * as sql from "../fleet/sql.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

type Attach = {
  host: string;
  port: string;
  dbname: string;
  user: string;
  passwordFile?: string;
  settingsUser?: string;
  settingsPasswordFile?: string;
  json?: true;
};

/** `ccx fleet`: what concerns all cells; DATABASE_URL is the fleet database. */
export function addFleetCommands(program: Command, context: Context): void {
  const fleet = program.command("fleet").description("questions to all cells, and settings for all cells");

  fleet
    .command("init")
    .description("make the database the fleet database, or bring it in step with this release")
    .action(async () => {
      const { log } = context.config();
      const { loaded, dropped } = await context.withDatabase((pool) => initFleet(pool, log));
      console.log(`The fleet database is in step: ${loaded.length} loaded, ${dropped.length} dropped.`);
    });

  fleet
    .command("attach")
    .description("make a cell known, or known anew after a move or a split")
    .argument("<cell>", "its name, as `ccx cell show` prints it")
    .requiredOption("--host <name>", "where its server is")
    .option("--port <number>", "port of the server", "5432")
    .requiredOption("--dbname <name>", "name of its database")
    .requiredOption("--user <name>", "who asks there; in the roles ccx_reader and ccx_metrics")
    .option("--password-file <file>", "file with the password")
    .option("--settings-user <name>", "who applies settings there; in the role ccx_operator")
    .option("--settings-password-file <file>", "file with the password")
    .option("--json", "one JSON array")
    .action(async (cell: string, given: Attach) => {
      if (!/^\d{1,5}$/.test(given.port)) throw new ConfigurationError("--port has to be a number.");
      const place = {
        ...{ cell, host: given.host, port: Number(given.port), dbname: given.dbname, login: given.user },
        password: await secretIn(given.passwordFile),
        settingsLogin: given.settingsUser,
        settingsPassword: await secretIn(given.settingsPasswordFile),
      };
      const rows = await context.withDatabase((pool) => sql.attach(pool, place));
      printRows(rows, { json: given.json, empty: "" });
    });

  fleet
    .command("detach")
    .description("forget a cell; the cell itself goes on")
    .argument("<cell>", "its name")
    .action(async (cell: string) => {
      await context.withDatabase((pool) => sql.detach(pool, cell));
      console.log(`The cell ${cell} is not asked any more.`);
    });

  const list = (name: string, description: string, empty: string, read: (db: Db) => Promise<AnyRow[]>) =>
    fleet
      .command(name)
      .description(description)
      .option("--json", "one JSON array")
      .action(async ({ json }: { json?: true }) => {
        const rows = await context.withDatabase(read);
        printRows(rows, { json, empty });
      });
  list("status", "how each cell is; one that is away is named", "No cell is attached.", sql.status);
  list("buckets", "buckets that no cell has, or several", "Each bucket has one cell.", sql.bucketFaults);
  list("differences", "what is set in some cells only", "All cells have the same settings.", sql.differences);
  list("settings", "what was queued, and what became of it", "Nothing was queued.", sql.settings);

  fleet
    .command("explain")
    .description("why the issues of a cluster are or are not notified; asks the cell that has it")
    .argument("<cluster>", "the cluster")
    .option("--json", "one JSON array")
    .action(async (cluster: string, { json }: { json?: true }) => {
      const rows = await context.withDatabase((pool) => sql.explainCluster(pool, cluster));
      printRows(rows, { json, empty: "No open issue." });
    });

  fleet
    .command("queue")
    .description("queue a setting for every cell: a function of theirs, and its arguments")
    .argument("<action>", "set_policy, end_policy, add_silence, end_silence, acknowledge and the like")
    .argument("<argument=value...>", `for example target='service log' change='{"enabled": true}' reason=…`)
    .option("--at <time>", "from when it counts, the same in every cell; now unless given")
    .option("--json", "one JSON array")
    .action(async (action: string, texts: string[], { at, json }: { at?: string; json?: true }) => {
      const settings = Object.fromEntries(texts.map(argumentOf));
      const rows = await context.withDatabase((pool) => sql.queue(pool, action, settings, at));
      printRows(rows, { json, empty: "" });
    });

  fleet
    .command("apply")
    .description("bring every cell what is queued and it has not got; one that is away gets it later")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      const rows = await context.withDatabase(async (pool) => {
        const all: AnyRow[] = [];
        for (const cell of await sql.cellNames(pool))
          for (const row of await sql.apply(pool, cell).catch(lost)) all.push({ cell, ...row });
        return all;
      });
      printRows(rows, { json, empty: "Every cell has what is queued." });
      if (rows.some(({ state }) => state !== "applied")) process.exitCode = 1;
    });
}

/** A cell that went away in the middle: what it has got, the next run finds out. */
const lost = (error: unknown): AnyRow[] => [
  { setting_id: null, action: null, state: "waiting", error: messageOf(error) },
];

async function secretIn(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new ConfigurationError(`The file ${file} cannot be read.`, { cause });
  });
  return text.replace(/\r?\n$/, "");
}

/** `name=value`; a value `setting:ID` stands for what that setting has made in each cell. */
function argumentOf(text: string): [string, unknown] {
  const [, name, value] = /^([a-z_]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new ConfigurationError(`"${text}" is not of the form argument=value.`);
  const [, setting] = /^setting:([0-9a-f-]{36})$/.exec(value) ?? [];
  return [name, setting === undefined ? value : { setting }];
}
