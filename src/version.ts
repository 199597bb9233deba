import { readFileSync } from "node:fs";
import path from "node:path";

/** The release of this program: the version in package.json. */
export const release: string = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../package.json"), "utf8"),
).version;
