import lock from "../package-lock.json" with { type: "json" };

/** A package that we use, as package-lock.json has it. */
export type Licensed = { name: string; version: string; license: string; dev: boolean };

/**
 * Licences that permit use and distribution by a service under Apache-2.0, and ask for no more than a notice.
 * A package under another one is looked at by a person before it is added here.
 */
const allowedLicenses: readonly string[] = [
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "PostgreSQL",
  "Python-2.0",
];

/** What is used to test with, and never passed on, may also be under these. */
export const allowedInDevelopment: readonly string[] = ["MPL-2.0"];

/** Every package, also those of other platforms and of packages themselves, by name. */
export function licenses(): Licensed[] {
  const entries = Object.entries(lock.packages as Record<string, Partial<Licensed> & { dev?: boolean }>);
  return entries
    .filter(([place]) => place !== "")
    .map(([place, { name, version = "", license = "", dev = false }]) => ({
      name: name ?? place.replace(/^.*node_modules\//, ""),
      version,
      license,
      dev,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the expression (SPDX) leaves us a licence that is allowed: one of several, or all of them. */
export function isAllowed(expression: string): boolean {
  const plain = expression.replaceAll(/[()]/g, "");
  return plain
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((one) => allowedLicenses.includes(one.trim())));
}

/** `npm run licenses`: what the image has in it, as tab-separated lines. */
if (process.argv[1] === import.meta.filename)
  for (const { name, version, license, dev } of licenses())
    if (!dev) console.log([name, version, license].join("\t"));
