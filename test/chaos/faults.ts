import { execFile } from "node:child_process";
import { chown, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { leaveGroup } from "../support/kafka.ts";
import type { Query } from "./databases.ts";
import type { Feed } from "./feed.ts";
import { orgs } from "./fleet.ts";
import type { Fault, Kind } from "./plan.ts";
import type { Mood } from "./receiver_front.ts";
import { loadRules, type RuleMood, setRuleMood } from "./rules.ts";
import { partitions, type Stage } from "./stage.ts";

const run = promisify(execFile);

/** What faults happen to. */
export type Scene = Stage & { feed: Feed };

/** How a fault is done and undone. */
type Deed = (scene: Scene, fault: Fault) => Promise<void>;

const one = <T>(of: readonly T[], { which }: Fault): T => of[which % of.length] as T;

const mood =
  (mood: Mood): Deed =>
  async ({ front }, { ms }) => {
    front.setMood(mood);
    await sleep(ms);
    front.setMood("well");
  };

const ruleMood =
  (mood: RuleMood): Deed =>
  async ({ query }, { ms }) => {
    await setRuleMood(query, mood);
    await sleep(ms);
    await setRuleMood(query, "well");
    await loadRules(query); // it may have been suspended
  };

const refuse = async (line: { refuse(): Promise<void>; heal(): Promise<void> }, ms: number) => {
  await line.refuse();
  await sleep(ms);
  await line.heal();
};

const deeds: Record<Kind, Deed> = {
  kill_consumer: ({ consumers }, fault) => one(consumers, fault).kill(),
  kill_worker: ({ workers }, fault) => one(workers, fault).kill(),
  restart_consumers: async ({ consumers }) =>
    void (await Promise.all(consumers.map((consumer) => consumer.restart()))),
  freeze_consumer: async ({ consumers }, fault) => freeze(one(consumers, fault).service, fault.ms),
  freeze_worker: async ({ workers }, fault) => freeze(one(workers, fault).service, fault.ms),
  kill_postgres: async ({ postgres }, { ms }) => {
    await postgres.kill("SIGKILL");
    await sleep(ms);
    await postgres.startAgain();
  },
  restart_postgres: async ({ postgres }, { ms }) => {
    await postgres.kill("SIGINT");
    await sleep(ms);
    await postgres.startAgain();
  },
  freeze_postgres: async ({ postgres }, { ms }) => {
    // each connection is a process of its own; while the server stands still, it starts no others
    const pids = [postgres.pid];
    process.kill(postgres.pid, "SIGSTOP");
    try {
      pids.push(...(await childrenOf(postgres.pid)));
      for (const pid of pids) signalIfAlive(pid, "SIGSTOP");
      await sleep(ms);
    } finally {
      for (const pid of pids) signalIfAlive(pid, "SIGCONT");
    }
  },
  read_only_postgres: async ({ query }, { ms }) => {
    await query("alter system set default_transaction_read_only = on");
    await query("select pg_reload_conf()");
    await sleep(ms);
    await query("alter system reset default_transaction_read_only");
    await query("select pg_reload_conf()");
  },
  full_disk: ({ inCells }, { ms }) => during(inCells, "full_disk", ms),
  kill_kafka: async ({ kafka }, { ms }) => {
    await kafka.kill("SIGKILL");
    await sleep(ms);
    await kafka.startAgain();
  },
  freeze_kafka: async ({ kafka }, { ms }) => {
    process.kill(kafka.pid, "SIGSTOP");
    await sleep(ms);
    process.kill(kafka.pid, "SIGCONT");
  },
  cut_kafka: async ({ lines }) => lines.kafka.cut(),
  refuse_kafka: ({ lines }, { ms }) => refuse(lines.kafka, ms),
  cut_database: async ({ lines }, fault) => one(lines.database, fault).cut(),
  refuse_database: ({ lines }, fault) => refuse(one(lines.database, fault), fault.ms),
  hang_database: async ({ lines }, fault) => {
    const line = one(lines.database, fault);
    line.freeze();
    await sleep(fault.ms);
    line.cut();
  },
  cut_receiver: async ({ lines }) => lines.receiver.cut(),
  refuse_receiver: ({ lines }, { ms }) => refuse(lines.receiver, ms),
  receiver_slow: mood("slow"),
  receiver_500: mood("500"),
  receiver_429: mood("429"),
  receiver_401: mood("401"),
  receiver_hangs: mood("hangs"),
  receiver_drops: mood("drops"),
  receiver_stores_and_hangs: mood("stores and hangs"),
  receiver_stores_and_drops: mood("stores and drops"),
  receiver_answers_nonsense: mood("nonsense"),
  move_clock: async ({ inCells }, { which }) =>
    void (await inCells("call chaos.move_clock(4, $1)", [which % 4])),
  stop_consumer: ({ consumers }, fault) => one(consumers, fault).restart(),
  stop_worker: ({ workers }, fault) => one(workers, fault).restart(),
  fail_over: async ({ servers, analyzers, workers, postgres, session }, { ms }) => {
    // what was sent, published or accepted in the transactions that are lost would be sent again, published
    // with another content, or be gone: nobody can know of it
    const stopped = [...servers, ...analyzers, ...workers];
    await Promise.all(stopped.map((one) => one.stop()));
    const standby = await copyOf(session);
    await sleep(ms);
    await postgres.kill("SIGKILL");
    await standby.takesOver();
    await postgres.startAgain();
    for (const one of stopped) one.start();
  },
  dump_at_midnight: async ({ inCells, session }, { ms, which }) => {
    await inCells("select chaos.forget_a_day()");
    await session(async (dump) => {
      await dump("begin; lock new_reports, reported in access share mode");
      await sleep(ms);
    }, which);
  },
  locked_row: async ({ session }, { ms, which }) => {
    await session(async (holder) => {
      await holder("begin");
      await holder(
        `select from consumer_offset where partition = ${which % partitions} for update;
         select from decision_due order by cluster limit 1 for update;
         select from analysis where ended_at is null order by id limit 1 for update;
         select from upload_message where due_at is not null order by message_id limit 1 for update`,
      );
      await sleep(ms);
    }, which);
  },
  work_times_out: ({ inCells }, { ms }) => during(inCells, "times_out", ms),
  poisonous_cluster: ({ inCells }, { ms }) => during(inCells, "poison", ms),
  truncate: async ({ inCells }, { ms, which }) => {
    await inCells("select chaos.acknowledge($1)", [1 + (which % orgs)]);
    await sleep(ms);
    await inCells("truncate rule_disable, cluster_rule_toggle");
  },
  bomb: ({ feed }, { which }) => feed.sendBomb(which % partitions),
  add_partition: ({ feed }) => feed.addPartition(),
  kill_server: ({ servers }, fault) => one(servers, fault).kill(),
  freeze_server: ({ servers }, fault) => freeze(one(servers, fault).service, fault.ms),
  stop_server: ({ servers }, fault) => one(servers, fault).restart(),
  kill_analyzer: ({ analyzers }, fault) => one(analyzers, fault).kill(),
  freeze_analyzer: ({ analyzers }, fault) => freeze(one(analyzers, fault).service, fault.ms),
  stop_analyzer: ({ analyzers }, fault) => one(analyzers, fault).restart(),
  restart_analyzers: async ({ analyzers }) =>
    void (await Promise.all(analyzers.map((analyzer) => analyzer.restart()))),
  cut_ingress: async ({ lines }) => lines.ingress.cut(),
  refuse_ingress: ({ lines }, { ms }) => refuse(lines.ingress, ms),
  cut_archives: async ({ lines }) => lines.archives.cut(),
  refuse_archives: ({ lines }, { ms }) => refuse(lines.archives, ms),
  store_refuses: async ({ query, archives }, { ms }) => {
    if (archives === undefined) return during(query, "store_refuses", ms);
    // as a file system that is not mounted: neither what is in it nor what should go into it
    await rename(archives, `${archives}.away`);
    await writeFile(archives, "");
    await sleep(ms);
    await rm(archives);
    await rename(`${archives}.away`, archives);
  },
  rule_hangs: ruleMood("hangs"),
  rule_raises: ruleMood("raises"),
};

/** While there is a row in chaos.<table>, its triggers refuse. */
async function during(
  query: Query,
  table: "full_disk" | "times_out" | "poison" | "store_refuses",
  ms: number,
): Promise<void> {
  await query(`insert into chaos.${table} default values`);
  await sleep(ms);
  await query(`delete from chaos.${table}`);
}

/**
 * A copy of the database as it is now, as a standby has that lags behind: what is committed from now on is
 * lost when it takes over.
 */
async function copyOf(session: Stage["session"]): Promise<{ takesOver(): Promise<void> }> {
  let folder = "";
  const copied = await session(async (backup) => {
    folder = String((await backup("select current_setting('data_directory') as folder"))[0]?.folder);
    await backup("select pg_backup_start('chaos', true)");
    await run("cp", ["-a", folder, `${folder}.standby`]).catch(() => undefined); // files come and go meanwhile
    const [row] = await backup("select labelfile from pg_backup_stop(false)");
    const label = `${folder}.standby/backup_label`;
    await writeFile(label, String(row?.labelfile));
    const { uid, gid } = await stat(folder);
    await chown(label, uid, gid);
    await run("cp", ["-a", "--update", `${folder}/pg_wal`, `${folder}.standby/`]);
    await rm(`${folder}.standby/postmaster.pid`, { force: true });
  });
  if (!copied) throw new Error("the database went away while it was copied");
  return {
    async takesOver() {
      await rm(folder, { recursive: true });
      await rename(`${folder}.standby`, folder);
    },
  };
}

/** Linux. */
async function childrenOf(pid: number): Promise<number[]> {
  const pids = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return pids.split(" ").filter(Boolean).map(Number);
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has just ended
  }
}

async function freeze(service: { freeze(): void; thaw(): void }, ms: number): Promise<void> {
  service.freeze();
  await sleep(ms);
  service.thaw();
}

/** Lets it happen and makes it good again. */
export function commit(scene: Scene, fault: Fault): Promise<void> {
  return deeds[fault.kind](scene, fault);
}

/**
 * Takes the members of these processes out of their group at once, as the broker does when a session of 10 s
 * has ended. Those that live join again. Best effort: the broker may be away.
 */
export async function evict(
  { client, brokers, groups: ours }: Stage,
  names: readonly string[],
): Promise<void> {
  const admin = client.admin();
  try {
    await admin.connect();
    const { groups } = await admin.describeGroups([...ours.results, ours.announcements]);
    for (const { groupId, members } of groups)
      for (const { clientId, memberId } of members)
        if (names.includes(clientId)) await leaveGroup(brokers, groupId, memberId);
  } catch {
    // then it takes its 10 s
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
