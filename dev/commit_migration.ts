import { readFile } from "node:fs/promises";
import { commit, Logger as GraphileLogger } from "graphile-migrate";
import { report } from "../src/cli.ts";
import { migrate } from "../src/db/migrate.ts";
import { migrationsFolder } from "../src/db/release.ts";
import { ConfigurationError, messageOf } from "../src/errors.ts";
import { createLogger } from "../src/log.ts";
import { startStack } from "./stack/stack.ts";

/** What current.sql says when nothing is to be changed, as .gmrc has it. */
const [, blank = '""'] = /"blankMigrationContent": (".*")/.exec(await readFile(".gmrc", "utf8")) ?? [];
const blankMigrationContent = JSON.parse(blank);

/**
 * `npm run commit:migration -- "what it does"`: runs every migration and current.sql on a server of its own,
 * moves current.sql to committed/, and loads sql/ upon it. graphile-migrate's own command needs two databases,
 * and loads sql/ before current.sql, so that it fails where sql/ uses what current.sql brings.
 */
async function main([message, ...more]: string[]): Promise<void> {
  if (!message?.trim() || more.length > 0)
    throw new ConfigurationError('Say in one text what it does: npm run commit:migration -- "what it does"');
  const log = createLogger("warn");
  const stack = await startStack({ kafkaBrokers: "none" });
  const database = (name: string) => Object.assign(new URL(stack.databaseUrl), { pathname: `/${name}` }).href;
  try {
    await commit(
      {
        connectionString: stack.databaseUrl,
        shadowConnectionString: database("shadow"),
        rootConnectionString: database("postgres"),
        migrationsFolder,
        manageGraphileMigrateSchema: true,
        pgSettings: { search_path: "public" },
        blankMigrationContent,
        logger: new GraphileLogger(() => (_level, said) => log.debug(said)),
      },
      message,
    ).catch((error) => {
      throw new ConfigurationError(`migrations/current.sql stays as it is: ${messageOf(error)}`);
    });
    await migrate(stack.databaseUrl, log);
    console.log("The migration is in migrations/committed/, and sql/ loads upon it.");
  } catch (error) {
    process.exitCode = report(error); // at once: graphile-migrate ends the process when its server goes
  } finally {
    await stack.stop();
  }
}

await main(process.argv.slice(2)).catch((error) => {
  process.exitCode = report(error);
});
