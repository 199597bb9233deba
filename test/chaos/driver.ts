import { setTimeout as sleep } from "node:timers/promises";
import { commit, evict, type Scene } from "./faults.ts";
import { type Fault, type Kind, kinds } from "./plan.ts";
import type { Recovery } from "./recovery.ts";

export type DriverOptions = {
  plan: Fault[];
  recovery: Recovery;
  /** dead consumers leave the group at once, not after 10 s */
  hurry: boolean;
  say: (line: string) => void;
};

/**
 * Lets every fault of the plan happen, in order and not before its time; two of one thing wait for each
 * other. Resolves when all of them are made good, to how many there were of each kind.
 */
export async function drive(scene: Scene, options: DriverOptions): Promise<Partial<Record<Kind, number>>> {
  const { plan, recovery, hurry, say } = options;
  const began = performance.now();
  const busy = new Map<string, Promise<void>>();
  const counts: Partial<Record<Kind, number>> = {};
  for (const fault of plan) {
    await sleep(Math.max(0, fault.atMs - (performance.now() - began)));
    counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
    const things = thingsOf(scene, fault);
    const before = Promise.all(things.map((thing) => busy.get(thing)));
    const done = before.then(async () => {
      say(fault.ms > 0 ? `${fault.kind}, ${fault.ms} ms` : fault.kind);
      await commit(scene, fault);
      if (fault.kind !== "move_clock") recovery.healed(fault.kind);
      if (hurry && fault.kind === "kill_consumer")
        await evict(scene, [`consumer-${1 + (fault.which % scene.consumers.length)}`]);
      if (hurry && fault.kind === "kill_analyzer")
        await evict(scene, [`analyzer-${1 + (fault.which % scene.analyzers.length)}`]);
    });
    done.catch(() => undefined); // thrown below
    for (const thing of things) busy.set(thing, done);
  }
  await Promise.all(busy.values());
  return counts;
}

/** How many there are of a thing of which a fault takes one. */
const countOf = (scene: Scene, on: string): number | undefined =>
  ({
    consumer: scene.consumers.length,
    worker: scene.workers.length,
    server: scene.servers.length,
    analyzer: scene.analyzers.length,
    "database line": scene.lines.database.length,
  })[on];

/** What a fault keeps for itself. */
function thingsOf(scene: Scene, { kind, which }: Fault): string[] {
  const { on } = kinds[kind];
  const all = (thing: string) =>
    Array.from({ length: countOf(scene, thing) ?? 0 }, (_, nth) => `${thing} ${nth}`);
  if (on === "consumers") return all("consumer");
  // the database's own line to us is not behind a proxy; its faults go with those of the lines
  if (on === "clock") return ["postgres"];
  if (on === "analyzers") return all("analyzer");
  if (on === "standby") return ["postgres", ...all("worker"), ...all("server"), ...all("analyzer")];
  const count = countOf(scene, on);
  return [count === undefined ? on : `${on} ${which % count}`];
}
