import type { Pool } from "pg";
import { dependentsOnOurs, dependentsOnTheirs } from "../db/adoption/dependents.ts";
import { ofOurs } from "../db/adoption/drop.ts";
import { type Phase, stateOf } from "../db/adoption/phase.ts";
import {
  type Carried,
  carriedOver,
  checkOptions,
  obstacles,
  type Volume,
  volumes,
} from "../db/adoption/survey.ts";

/** What a person chooses. */
export type AdoptOptions = {
  /** the zone of the times in their tables: they have none, and stand as the clock of the writer showed */
  timeZone: string;
  /** how far back what was sent may still be in its cooldown, as an interval of PostgreSQL */
  memory: string;
};

export const defaults: AdoptOptions = { timeZone: "UTC", memory: "8 days" };

export type Step = { step: string; does: string; locks: string };

/** What an adoption would do; `problems` say why it cannot. */
export type Plan = AdoptOptions & {
  phase: Phase;
  problems: string[];
  remarks: string[];
  tables: Volume[];
  carried: Carried;
  /** about how much more room the database takes, in bytes */
  room: number;
  steps: Step[];
};

const briefly = "at most 0.4 s at a time, and is tried again when somebody is in the way";

const steps: readonly Step[] = [
  {
    step: "build",
    does: "makes our tables, empty, in the schema ccx_staging beside theirs",
    locks: "none on theirs",
  },
  {
    step: "mirror",
    does: "lets what is written to new_reports and reported from now on be written to ours, too",
    locks: `these two against writers, for some milliseconds; waits for that ${briefly}`,
  },
  {
    step: "sent",
    does: "copies what was sent lately, so that its cooldowns go on",
    locks: "none that anybody waits for; a thousand clusters a transaction",
  },
  {
    step: "reports",
    does: "copies the newest report of each cluster, so that its issues are known",
    locks: "none that anybody waits for; a thousand clusters a transaction",
  },
  {
    step: "swap",
    does: "moves their seven tables to the schema incumbent and ours to public; writes no row",
    locks: `all seven, for some 0.1 s; waits for that ${briefly}`,
  },
  {
    step: "load",
    does: "loads functions, views and triggers",
    locks: `our tables against writers, for some 0.1 s at its end; waits for that ${briefly}`,
  },
  {
    step: "see",
    does: "lets issues and cooldowns follow from what was copied",
    locks: "rows only; a thousand reports a transaction",
  },
  { step: "end", does: "lets decisions begin", locks: "one row" },
];

/** Tables, indexes, functions and graphile-worker, without rows. */
const emptyBytes = 16 * 1024 * 1024;
/** Keys, indexes and what follows from a row: issues, occurrences, ledger. */
const bytesPerRow = 600;

/** Looks at their tables; changes nothing. Works on a database in any phase. */
export async function planOf(pool: Pool, options: AdoptOptions): Promise<Plan> {
  await checkOptions(pool, options.timeZone, options.memory);
  const phase = await stateOf(pool);
  const nothing: Carried = { clusters: 0, reports: 0, sent: 0, bytes: 0, unreadable: 0, future: 0 };
  const plan: Plan = {
    ...{ ...options, phase, problems: [], remarks: [], tables: [], carried: nothing, room: 0 },
    steps: [...steps],
  };
  if (phase === "adopted") {
    const needing = await dependentsOnOurs(pool, await ofOurs(pool));
    plan.remarks = needing.map((sentence) => `In the way of --undo: ${sentence}`);
  }
  if (phase !== "theirs") return plan;
  plan.problems = await obstacles(pool);
  if (plan.problems.length > 0) return plan;
  plan.remarks = await dependentsOnTheirs(pool);
  plan.tables = await volumes(pool);
  plan.carried = await carriedOver(pool, options.timeZone, options.memory);
  plan.room = emptyBytes + plan.carried.bytes + bytesPerRow * (plan.carried.reports + plan.carried.sent);
  if (plan.carried.unreadable > 0)
    plan.remarks.push(
      `${plan.carried.unreadable} clusters have no report that can be read: they stay in the old table.`,
    );
  if (plan.carried.future > 0)
    plan.remarks.push(
      `${plan.carried.future} reports are of a time that is still to come: they stay in the old table.`,
    );
  return plan;
}
