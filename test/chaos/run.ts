import { parseArgs } from "node:util";
import { chaos, defaultSeed, long, short } from "./chaos.ts";

/**
 * `npm run chaos -- [--minutes N] [--seed N] [--json]`; without --minutes, the short form of `npm test`.
 * Prints figures and ends with code 1 when the books do not balance.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: process.env.SEED ?? String(defaultSeed) },
    json: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
if (!Number.isSafeInteger(seed) || (minutes !== undefined && !(minutes > 0))) {
  console.error("npm run chaos -- [--minutes N] [--seed N] [--json]");
  process.exit(1);
}
const say = (line: string) => {
  if (!values.json) console.error(line);
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));
try {
  const { figures, wrong, notes } = await chaos({ ...(minutes ? long(minutes) : short), seed, say });
  if (values.json) console.log(JSON.stringify(figures));
  else {
    const { faults, ...rest } = figures;
    for (const [name, figure] of Object.entries(rest)) console.log(`${name.padEnd(20)}${figure}`);
    const kinds = Object.entries(faults).sort(([a], [b]) => a.localeCompare(b));
    console.log(`faults\n${kinds.map(([kind, count]) => `  ${kind.padEnd(28)}${count}`).join("\n")}`);
    for (const note of notes) console.log(note);
  }
  for (const line of wrong) console.error(`the books do not balance: ${line}`);
  if (wrong.length > 0 || figures.lost > 0 || figures.notified_twice > 0) process.exitCode = 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
