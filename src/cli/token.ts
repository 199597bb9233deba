import { createHash, randomBytes } from "node:crypto";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

type Add = { org: string; name: string; for?: string };
type Revoke = { org: string; name: string };

/** `ccx token add|list|revoke`: who may call the results API with a bearer token. */
export function addTokenCommands(program: Command, context: Context): void {
  const token = program
    .command("token")
    .description("bearer tokens for the results API, each of one organization");

  token
    .command("add")
    .description("make a token and print it, once: only its hash is stored")
    .requiredOption("--org <id>", "the organization that it speaks for")
    .requiredOption("--name <name>", "what it is for; also the user that it acts as")
    .option("--for <interval>", "how long it counts; without it, until it is revoked")
    .action(async (given: Add) => {
      const made = `ccx_${randomBytes(32).toString("base64url")}`;
      const hash = createHash("sha256").update(made).digest();
      const until = await context.withDatabase((pool) => sql.addToken(pool, hash, given));
      console.log(made);
      if (until !== null) console.error(`It counts until ${until}.`);
    });

  token
    .command("list")
    .description("the tokens that count; exit code 3 when there are none")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: boolean }) => {
      const rows = await context.withDatabase((pool) => sql.tokens(pool));
      printRows(rows, { json, empty: "No token." });
      if (rows.length === 0) process.exitCode = 3;
    });

  token
    .command("revoke")
    .description("take the tokens of a name back; exit code 3 when there is none")
    .requiredOption("--org <id>", "the organization")
    .requiredOption("--name <name>", "their name")
    .action(async (given: Revoke) => {
      const revoked = await context.withDatabase((pool) => sql.revokeToken(pool, given));
      if (revoked === 0) process.exitCode = 3;
      console.log(revoked === 0 ? "There was nothing to revoke." : "Revoked.");
    });
}
