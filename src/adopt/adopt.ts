import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import * as copying from "../db/adoption/copy.ts";
import { dependentsOnOld, requireUnneeded } from "../db/adoption/dependents.ts";
import * as dropping from "../db/adoption/drop.ts";
import * as db from "../db/adoption/phase.ts";
import * as swapping from "../db/adoption/swap.ts";
import { codeOf } from "../db/errors.ts";
import { buildBeside, migrate } from "../db/migrate.ts";
import { createPool } from "../db/pool.ts";
import { requireServer, requireSession } from "../db/server.ts";
import { ConfigurationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type AdoptOptions, planOf } from "./plan.ts";
import * as sql from "./sql.ts";

/** Clusters in a transaction. */
const batchSize = 1_000;

type Reached = (step: string) => void | Promise<void>;

export type Work = {
  databaseUrl: string;
  log: Logger;
  /** how long somebody who uses a table may keep us from it, in seconds */
  patience?: number;
  /** called before each step and after each batch with its name */
  reached?: Reached;
};

/** How many rows an adoption copied, in all its tries; what was written meanwhile is not among them. */
export type Adopted = { reports: number; sent: number };

/** What went back when it was undone; `leftOut` does not fit their columns. */
export type GivenBack = { reports: number; reported: number; readErrors: number; leftOut: number };

/**
 * Takes a database of the notification writer over; where an earlier try was interrupted, goes on from there.
 * @throws ConfigurationError when it cannot: another one is at it, a table is not theirs, somebody does not
 * let go of one
 */
export async function adopt(work: Work, options: AdoptOptions): Promise<Adopted> {
  return await withPool(work, async (pool, reached) => {
    if ((await db.stateOf(pool)) === "leaving") throw notAdopted("leaving");
    if ((await db.phaseOf(pool)) === "theirs") {
      const { problems } = await planOf(pool, options);
      if (problems.length > 0) throw new ConfigurationError(problems.join("\n"));
      await reached("begin");
      await swapping.begin(pool, options.timeZone, options.memory);
    }
    if ((await db.phaseOf(pool)) === "begun") {
      await reached("build");
      await buildBeside(pool, work.databaseUrl, work.log);
      await copying.makeDays(pool);
      await reached("mirror");
      await inTheWay(pool, work, () => copying.mirrorTheirs(pool));
      await copy(pool, reached);
      await reached("swap");
      await inTheWay(pool, work, () => swapping.swap(pool));
    }
    if ((await db.phaseOf(pool)) === "swapped") {
      await reached("load");
      await swapping.showBoth(pool);
      await migrate(work.databaseUrl, work.log, { lockTimeout: "250ms" });
      await see(pool, reached);
      await reached("end");
      await swapping.markAdopted(pool);
    }
    const phase = await db.phaseOf(pool);
    if (phase !== "adopted") throw notAdopted(phase);
    const { done } = await db.noteOf(pool);
    return { reports: Number(done.reports ?? 0), sent: Number(done.sent ?? 0) };
  });
}

function notAdopted(phase: db.Phase): ConfigurationError {
  return new ConfigurationError(
    phase === "leaving"
      ? "The adoption of this database is being undone: finish that with `ccx adopt --undo`."
      : "There is nothing to take over: the database has no tables of the notification writer.",
  );
}

/** Copies in batches; each is noted when it is done, and to do one again does no harm. */
async function copy(pool: Pool, reached: Reached): Promise<void> {
  const { done } = await db.noteOf(pool);
  const all = async (
    name: string,
    place: string,
    next: (after: copying.Place) => Promise<(copying.Place & { rows: number }) | undefined>,
  ) => {
    for (let after = placeIn(done[place]); after; ) {
      await reached(name);
      const batch = await next(after);
      done[name] = Number(done[name] ?? 0) + (batch?.rows ?? 0);
      after = batch && { org: batch.org, cluster: batch.cluster };
      await db.noteDone(pool, { [name]: done[name], [place]: after ?? "end" });
    }
  };
  for (const target of [1, 2])
    await all("sent", `sent_after_${target}`, (after) => copying.copySent(pool, target, after, batchSize));
  await all("reports", "reports_after", (after) => copying.copyReports(pool, after, batchSize));
}

/** Where copying goes on; undefined: it has ended. */
function placeIn(noted: unknown): copying.Place | undefined {
  if (noted === "end") return undefined;
  return (noted as copying.Place | undefined) ?? { org: -2_147_483_648, cluster: "" };
}

const beforeAll: sql.ReportKey = { org: "-9223372036854775808", cluster: "", at: "-infinity" };

/** Lets issues and cooldowns follow from what was copied. */
async function see(pool: Pool, reached: Reached): Promise<void> {
  for (let after: sql.ReportKey | undefined = beforeAll; after; ) {
    await reached("see");
    const batch = await sql.seeReports(pool, after, batchSize);
    after = batch && { org: batch.last_org, cluster: batch.last_cluster, at: batch.last_at };
  }
  await sql.seeReported(pool);
}

/**
 * Gives the database back as their writer made it, with everything that was added since; from any point of an
 * adoption. Nothing of ours stays.
 * @throws ConfigurationError when a process of ours still works on it, something of others needs what would
 * be dropped, or there is no adoption to undo
 */
export async function undo(work: Work): Promise<GivenBack> {
  return await withPool(work, async (pool, reached) => {
    const given: GivenBack = { reports: 0, reported: 0, readErrors: 0, leftOut: 0 };
    const phase = await db.phaseOf(pool);
    if (phase === "begun") {
      await reached("drop");
      await inTheWay(pool, work, () => dropping.undoBegun(pool));
      return given;
    }
    if (phase === "swapped" || phase === "adopted") {
      await requireUnneeded(pool, await dropping.ofOurs(pool));
      await reached("load");
      if (phase === "swapped") await migrate(work.databaseUrl, work.log, { lockTimeout: "250ms" });
      const working = await db.whoWorks(pool);
      if (working.length > 0) throw new ConfigurationError(working.join("\n"));
      await reached("mirror");
      await inTheWay(pool, work, () => swapping.mirror(pool));
      await giveBack(pool, given, reached);
      await reached("swap back");
      await inTheWay(pool, work, () => swapping.swapBack(pool));
    } else if (phase !== "leaving")
      throw new ConfigurationError("There is no adoption to undo in this database.");
    await reached("drop");
    await dropping.dropLeaving(pool);
    return given;
  });
}

async function giveBack(pool: Pool, given: GivenBack, reached: Reached): Promise<void> {
  for (let after: sql.ReportKey | undefined = beforeAll; after; ) {
    await reached("give back reports");
    const batch = await sql.giveBackReports(pool, after, batchSize);
    given.reports += batch?.given ?? 0;
    given.leftOut += batch?.left_out ?? 0;
    after = batch && { org: batch.last_org, cluster: batch.last_cluster, at: batch.last_at };
  }
  for (let after: (sql.ReportKey & { target: number }) | undefined = { ...beforeAll, target: 0 }; after; ) {
    await reached("give back reported");
    const batch = await sql.giveBackReported(pool, after, batchSize);
    given.reported += batch?.given ?? 0;
    given.leftOut += batch?.left_out ?? 0;
    after = batch && {
      ...{ org: batch.last_org, cluster: batch.last_cluster, at: batch.last_at },
      target: batch.last_target,
    };
  }
  given.readErrors = await sql.giveBackReadErrors(pool);
}

/**
 * Drops the old tables, once nobody wants to go back.
 * @throws ConfigurationError when there are none, or a view or foreign key of others needs them
 */
export async function finish(work: Work): Promise<void> {
  await withPool(work, async (pool) => {
    const state = await db.stateOf(pool);
    if (state === "leaving") throw notAdopted(state);
    if (state !== "adopted")
      throw new ConfigurationError(
        state === "ours"
          ? "There are no old tables in this database."
          : "The adoption of this database is not finished: run `ccx adopt` first.",
      );
    const needed = await dependentsOnOld(pool);
    if (needed.length > 0)
      throw new ConfigurationError(["Something of yours still needs the old tables.", ...needed].join("\n"));
    await inTheWay(pool, work, () => dropping.dropKept(pool));
  });
}

async function withPool<T>(
  work: Work,
  does: (pool: Pool, reached: (step: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const { databaseUrl, log } = work;
  const pool = createPool({ databaseUrl, size: 3, name: "ccx adopt", log, onConnect: requireSession });
  try {
    await requireServer(pool, { writes: true });
    return await db.alone(pool, async (signal) =>
      does(pool, async (step) => {
        await work.reached?.(step);
        signal.throwIfAborted();
      }),
    );
  } finally {
    await pool.end();
  }
}

const busy = new Set(["55P03", "57014", "40P01"]);

/**
 * Tries until nobody is in the way, twice a second: a wait for a lock is short, since everybody else would
 * wait behind it.
 * @throws ConfigurationError that names who holds the tables, when patience ends
 */
async function inTheWay(pool: Pool, { patience = 60, log }: Work, step: () => Promise<void>): Promise<void> {
  for (const until = performance.now() + patience * 1_000; ; await sleep(500)) {
    try {
      return await step();
    } catch (error) {
      if (!busy.has(codeOf(error) ?? "")) throw error;
      const holders = await db.whoHolds(pool);
      log.info({ holders }, "a table is in use, trying again");
      if (performance.now() < until) continue;
      throw new ConfigurationError(
        [
          "Somebody uses the tables and does not let go of them. Nothing is lost: run the same again.",
          ...holders,
        ].join("\n"),
        { cause: error },
      );
    }
  }
}
