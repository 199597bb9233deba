import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

/** Its rules: .squawk.toml. */
const squawk = "squawk-cli==2.70.0";
const root = path.join(import.meta.dirname, "..");
const cache = path.join(root, "node_modules/.cache/squawk");

/**
 * `npm run lint:migrations -- [FILE …]`: looks for statements that hold a lock for long, in the migrations
 * after the baseline or in the files given. Installs the linter with pip, apart from everything else, where
 * there is a file to look at.
 */
function main(given: string[]): void {
  const committed = path.join(root, "migrations/committed");
  const files =
    given.length > 0
      ? given
      : readdirSync(committed)
          .filter((file) => file.endsWith(".sql") && !file.endsWith("-baseline.sql"))
          .sort()
          .map((file) => path.join(committed, file));
  if (files.length === 0) {
    console.log("no migration after the baseline");
    return;
  }
  const program = path.join(cache, squawk, "bin/squawk");
  if (!existsSync(program)) {
    const venv = path.join(cache, squawk);
    execFileSync("python3", ["-m", "venv", venv], { stdio: "inherit" });
    execFileSync(path.join(venv, "bin/pip"), ["install", "--quiet", squawk], { stdio: "inherit" });
  }
  execFileSync(program, ["--config", path.join(root, ".squawk.toml"), ...files], { stdio: "inherit" });
}

try {
  main(process.argv.slice(2));
} catch (error) {
  // the linter has said what is wrong
  if (!(error instanceof Error && "status" in error)) console.error(error);
  process.exitCode = 1;
}
