import { parseArgs } from "node:util";
import { chaos, defaultSeed, long, short } from "./chaos.ts";

/**
 * `npm run chaos -- [--minutes N] [--seed N] [--store folder] [--cells N] [--json]`; without --minutes, the short form of `npm test`.
 * Prints figures and ends with code 1 when the books do not balance.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    cells: { type: "string", default: "1" },
    store: { type: "string", default: "database" },
    seed: { type: "string", default: process.env.SEED ?? String(defaultSeed) },
    json: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
const { store } = values;
const cells = Number(values.cells);
if (
  !Number.isSafeInteger(seed) ||
  (minutes !== undefined && !(minutes > 0)) ||
  !(Number.isSafeInteger(cells) && cells > 0 && cells <= 16) ||
  (store !== "database" && store !== "folder")
) {
  console.error(
    "npm run chaos -- [--minutes N] [--seed N] [--store database|folder] [--cells 1..16] [--json]",
  );
  process.exit(1);
}
const say = (line: string) => {
  if (!values.json) console.error(line);
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));
try {
  const { figures, wrong, notes } = await chaos({
    ...(minutes ? long(minutes) : short),
    seed,
    store,
    cells,
    say,
  });
  if (values.json) console.log(JSON.stringify(figures));
  else {
    const { faults, ...rest } = figures;
    for (const [name, figure] of Object.entries(rest)) console.log(`${name.padEnd(20)}${figure}`);
    const kinds = Object.entries(faults).sort(([a], [b]) => a.localeCompare(b));
    console.log(`faults\n${kinds.map(([kind, count]) => `  ${kind.padEnd(28)}${count}`).join("\n")}`);
    for (const note of notes) console.log(note);
  }
  for (const line of wrong) console.error(`the books do not balance: ${line}`);
  const { lost, notified_twice, uploads_lost, results_differ } = figures;
  if (wrong.length > 0 || lost + notified_twice + uploads_lost + results_differ > 0) process.exitCode = 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
