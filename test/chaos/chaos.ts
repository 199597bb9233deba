import { seeded } from "../../dev/samples/random.ts";
import { until } from "../support/until.ts";
import { balance, summaryOfExits } from "./books.ts";
import { drive } from "./driver.ts";
import { Feed } from "./feed.ts";
import { Fleet } from "./fleet.ts";
import { type Kind, planOf } from "./plan.ts";
import { quiet, uploadsQuiet } from "./quiet.ts";
import { Recovery } from "./recovery.ts";
import { openStage, partitions, type StoreName } from "./stage.ts";
import { Uploads } from "./uploads.ts";

export type ChaosOptions = {
  seed: number;
  /** how long things go wrong; the quiet phase comes on top */
  lengthMs: number;
  meanGapMs: number;
  messagesPerSecond: number;
  leastMessages: number;
  uploadsPerSecond: number;
  leastUploads: number;
  /** where archives are kept */
  store: StoreName;
  /** among how many databases the clusters are split */
  cells: number;
  /** Dead consumers leave their group at once, and nothing waits for back-offs and leases in the end. */
  hurry: boolean;
  say: (line: string) => void;
};

/** The object that `npm run chaos -- --json` prints. */
export type ChaosFigures = {
  seed: number;
  messages: number;
  faults: Partial<Record<Kind, number>>;
  stored: number;
  rejected: number;
  lost: number;
  uploads: number;
  uploads_lost: number;
  results_differ: number;
  results_again: number;
  notified: number;
  notified_twice: number;
  resent_same_id: number;
  longest_recovery_s: number;
  /** from SIGTERM to the end of the process */
  longest_stop_s: number;
};

/** Orchestrators wait for 30 s; we promise a third of that. */
const stopsWithinS = 10;

/**
 * Runs the real service, lets everything that can go wrong go wrong, and compares the books when all is quiet
 * again.
 * @returns the figures, what does not balance, and what is worth knowing besides
 */
export async function chaos(
  options: ChaosOptions,
): Promise<{ figures: ChaosFigures; wrong: string[]; notes: string[] }> {
  const { seed, lengthMs, meanGapMs, messagesPerSecond, leastMessages, hurry } = options;
  const { uploadsPerSecond, leastUploads, store, cells } = options;
  const began = performance.now();
  const say = (line: string) =>
    options.say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
  await using stage = await openStage(store, cells, say);
  for (const role of stage.roles) await role.service.says("running");
  say("running");
  const fleet = new Fleet(seeded(seed), partitions);
  await using feed = new Feed(stage.brokers, stage.topics.results, fleet, messagesPerSecond, leastMessages);
  await using uploads = new Uploads(stage.ingressUrl, seeded(seed + 1), uploadsPerSecond, leastUploads);
  await using recovery = new Recovery(stage, feed);
  const plan = planOf(seed, lengthMs, meanGapMs);
  const faults = await drive({ ...stage, feed }, { plan, recovery, hurry, say });
  say("nothing goes wrong any more");
  await feed.stop();
  await uploads.stop();
  await until("all services run", () =>
    stage.roles.every(({ service }) => service.said("running").length > 0),
  );
  const redriven = await uploadsQuiet(stage, uploads, { hurry, say });
  await quiet(stage, { hurry, say });
  await recovery.stop();
  const { wrong, ...books } = await balance(stage, fleet, feed, uploads);
  await Promise.all(stage.roles.map((role) => role.stop()));
  const { storedMs, decidedMs } = recovery.longestUntil;
  const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
  const notes = [
    `the longest recovery was after ${recovery.longestOf}; until all was stored it took ${seconds(storedMs)} at most, until all was decided ${seconds(decidedMs)}`,
    `${uploads.repeated} uploads were repeated by their clients; ${redriven} analyses had to be redriven`,
    ...summaryOfExits(stage.exits),
  ];
  const { messages, ...rest } = books;
  const tenths = (ms: number) => Math.round(ms / 100) / 10;
  const longest_recovery_s = tenths(recovery.longestMs);
  const longest_stop_s = tenths(stage.longestStopMs());
  if (longest_stop_s > stopsWithinS) wrong.push(`a service took ${longest_stop_s} s to stop`);
  return { figures: { seed, messages, faults, ...rest, longest_recovery_s, longest_stop_s }, wrong, notes };
}

export const defaultSeed = 20_260_301;

/** Every kind of fault once, within half a minute: for `npm test`. */
export const short = {
  lengthMs: 15_000,
  meanGapMs: 500,
  messagesPerSecond: 25,
  leastMessages: 400,
  uploadsPerSecond: 3,
  leastUploads: 60,
  store: "database",
  cells: 1,
  hurry: true,
} as const;

/** For so many minutes: a fault every few seconds. */
export const long = (minutes: number) =>
  ({
    lengthMs: minutes * 60_000,
    meanGapMs: 3_000,
    messagesPerSecond: 30,
    leastMessages: 0,
    uploadsPerSecond: 2,
    leastUploads: 0,
    store: "database",
    cells: 1,
    hurry: false,
  }) as const;
