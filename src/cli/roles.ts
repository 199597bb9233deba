import type { Command } from "commander";
import { roleChanges } from "../db/roles.ts";
import type { Context } from "./context.ts";

/** `ccx roles`: what `ccx migrate --with-roles` would do, for whoever does it by hand. */
export function addRolesCommands(program: Command, { withDatabase }: Context): void {
  program
    .command("roles")
    .description("roles of the database (ccx migrate --with-roles makes them)")
    .command("script")
    .description("print the statements that the database still needs to have its roles; nothing: it has them")
    .action(() =>
      withDatabase(async (pool) => {
        const changes = await roleChanges(pool);
        if (changes.length === 0) return;
        console.log("set search_path = public, ccx;");
        for (const { statement } of changes) console.log(`${statement};`);
        if (changes.some(({ statement }) => statement.startsWith("create role")))
          console.log("-- run `ccx roles script` again after this: rights follow once the roles are there");
      }),
    );
}
