import { readdir } from "node:fs/promises";
import { totalmem } from "node:os";
import { parseArgs } from "node:util";
import { machine, type Options, type Report, rounded, table } from "./report.ts";

/**
 * `npm run bench -- NAME [--scale N] [--json]`: runs bench/NAME.ts, a module that exports `run(options:
 * Options): Promise<Report>`; what several of them share is in bench/support/. With --json, one object:
 * `{bench, machine, results: [{case, unit, median, min, max, runs}], ratios}`. Its own server is durable, unless
 * CCX_STACK_SETTINGS says otherwise; DATABASE_URL names another one.
 */
const usage = "npm run bench -- NAME [--scale N] [--json]";
const parts = new Set(["run.ts", "report.ts"]);

/** A server as one runs it: what it has committed survives, and it has a quarter of the memory. */
const durable = {
  fsync: "on",
  full_page_writes: "on",
  shared_buffers: `${Math.floor(totalmem() / 4 / 2 ** 20)}MB`,
};
process.env.CCX_STACK_SETTINGS ??= Object.entries(durable)
  .map((setting) => setting.join("="))
  .join(" ");

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { scale: { type: "string", default: "1" }, json: { type: "boolean", default: false } },
  });
  const names = (await readdir(import.meta.dirname))
    .filter((file) => file.endsWith(".ts") && !parts.has(file))
    .map((file) => file.slice(0, -".ts".length))
    .sort();
  const [name, ...others] = positionals;
  if (name === undefined || others.length > 0 || !names.includes(name))
    throw new Error(`${usage}, where NAME is one of: ${names.join(", ")}`);
  const scale = Number(values.scale);
  if (!(scale > 0 && scale < Infinity)) throw new Error("--scale is a number greater than 0");

  const { run } = (await import(`./${name}.ts`)) as { run(options: Options): Promise<Report> };
  const { results, ratios, machine: server } = await run({ scale });
  const report = {
    bench: name,
    machine: { ...machine(), ...server },
    results: results.map(short),
    ratios: roundedAll(ratios),
  };
  if (values.json) console.log(JSON.stringify(report));
  else {
    console.log(Object.values(report.machine).join(", "));
    console.log(table(report));
  }
} catch (error) {
  // one without a message holds what failed, and what failed while that was being cleaned up
  console.error(error instanceof Error && error.message ? error.message : error);
  process.exitCode = 1;
}

function short(result: Report["results"][number]): Report["results"][number] {
  const { median, min, max } = result;
  return { ...result, median: rounded(median), min: rounded(min), max: rounded(max) };
}

function roundedAll(ratios: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(ratios).map(([name, ratio]) => [name, rounded(ratio)]));
}
