import assert from "node:assert/strict";
import type { Row } from "./builders.ts";
import { type Finished, runCcx } from "./command.ts";
import type { TestDatabase } from "./database.ts";

/** `ccx` on the test's database. */
export type Shell = {
  (...args: string[]): Promise<Finished>;
  /** With --json: what it printed and the exit code; fails when it complained. */
  json(...args: string[]): Promise<{ code: number | null; printed: Row[] }>;
  /** The lines it printed; fails unless it did its work. */
  lines(...args: string[]): Promise<string[]>;
};

/** What is said of a name that nobody knows; it stands beside the answer, and is no complaint. */
const remark = /^ccx: (there is no rule of the name|no (rule|cluster)|rule|cluster|this silence) .*\n/gm;

export function shellOn(database: TestDatabase): Shell {
  const ccx = (...args: string[]) => runCcx(args, { DATABASE_URL: database.url });
  return Object.assign(ccx, {
    async json(...args: string[]) {
      const { code, stdout, stderr } = await ccx(...args, "--json");
      assert.equal(stderr.replaceAll(remark, ""), "", args.join(" "));
      return { code, printed: JSON.parse(stdout) };
    },
    async lines(...args: string[]) {
      const { code, stdout, stderr } = await ccx(...args);
      assert.deepEqual([code, stderr.replaceAll(remark, "")], [0, ""], args.join(" "));
      return stdout.replace(/\n$/, "").split("\n");
    },
  });
}

/** The cells of a line of a table: they are at least two blanks apart. */
export const cells = (line: string | undefined) => (line ?? "").split(/ {2,}/);
