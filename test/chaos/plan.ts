import { below, type Random, seeded, shuffle } from "../../dev/samples/random.ts";

/**
 * What may go wrong, and what it happens to: two faults of one thing never overlap. `ms` is how long it lasts
 * at most, 0 for what is over at once.
 */
export const kinds = {
  kill_consumer: { on: "consumer", ms: 0 },
  freeze_consumer: { on: "consumer", ms: 6_000 },
  restart_consumers: { on: "consumers", ms: 0 },
  kill_worker: { on: "worker", ms: 0 },
  freeze_worker: { on: "worker", ms: 6_000 },
  kill_postgres: { on: "postgres", ms: 3_000 },
  restart_postgres: { on: "postgres", ms: 1_000 },
  freeze_postgres: { on: "postgres", ms: 6_000 },
  read_only_postgres: { on: "postgres", ms: 5_000 },
  full_disk: { on: "postgres", ms: 5_000 },
  kill_kafka: { on: "kafka", ms: 2_000 },
  freeze_kafka: { on: "kafka", ms: 5_000 },
  cut_kafka: { on: "kafka", ms: 0 },
  refuse_kafka: { on: "kafka", ms: 4_000 },
  cut_database: { on: "database line", ms: 0 },
  refuse_database: { on: "database line", ms: 5_000 },
  hang_database: { on: "database line", ms: 6_000 },
  cut_receiver: { on: "receiver", ms: 0 },
  refuse_receiver: { on: "receiver", ms: 5_000 },
  receiver_slow: { on: "receiver", ms: 8_000 },
  receiver_500: { on: "receiver", ms: 8_000 },
  receiver_429: { on: "receiver", ms: 8_000 },
  receiver_401: { on: "receiver", ms: 4_000 },
  receiver_hangs: { on: "receiver", ms: 6_000 },
  receiver_drops: { on: "receiver", ms: 6_000 },
  receiver_stores_and_hangs: { on: "receiver", ms: 6_000 },
  receiver_stores_and_drops: { on: "receiver", ms: 6_000 },
  receiver_answers_nonsense: { on: "receiver", ms: 6_000 },
  move_clock: { on: "clock", ms: 0 },
  stop_consumer: { on: "consumer", ms: 0 },
  stop_worker: { on: "worker", ms: 0 },
  fail_over: { on: "standby", ms: 2_000 },
  dump_at_midnight: { on: "postgres", ms: 4_000 },
  locked_row: { on: "row", ms: 6_000 },
  work_times_out: { on: "trigger", ms: 5_000 },
  poisonous_cluster: { on: "trigger", ms: 6_000 },
  truncate: { on: "acknowledgements", ms: 3_000 },
  bomb: { on: "topic", ms: 0 },
  add_partition: { on: "topic", ms: 0 },
  kill_server: { on: "server", ms: 0 },
  freeze_server: { on: "server", ms: 6_000 },
  stop_server: { on: "server", ms: 0 },
  kill_analyzer: { on: "analyzer", ms: 0 },
  freeze_analyzer: { on: "analyzer", ms: 6_000 },
  stop_analyzer: { on: "analyzer", ms: 0 },
  restart_analyzers: { on: "analyzers", ms: 0 },
  cut_ingress: { on: "ingress", ms: 0 },
  refuse_ingress: { on: "ingress", ms: 4_000 },
  cut_archives: { on: "archives", ms: 0 },
  refuse_archives: { on: "archives", ms: 5_000 },
  store_refuses: { on: "store", ms: 5_000 },
  rule_hangs: { on: "rule", ms: 6_000 },
  rule_raises: { on: "rule", ms: 6_000 },
} as const;

export type Kind = keyof typeof kinds;

/** What takes seconds of its own: only in runs of minutes. */
const slow: readonly Kind[] = ["fail_over", "dump_at_midnight", "bomb", "add_partition"];

/** The kinds of a run of this length. */
export const kindsOf = (lengthMs: number): Kind[] =>
  (Object.keys(kinds) as Kind[]).filter((kind) => lengthMs >= 60_000 || !slow.includes(kind));

export type Fault = {
  kind: Kind;
  /** earliest time, from the beginning of the run */
  atMs: number;
  /** how long it lasts */
  ms: number;
  /** which of several (processes of one kind, lines to the database, shares of the ledger) */
  which: number;
};

/** Now and then somebody holds a row for a minute, and a database is dumped for half of one. */
const long: Partial<Record<Kind, { ms: number; leastRunMs: number }>> = {
  locked_row: { ms: 60_000, leastRunMs: 180_000 },
  dump_at_midnight: { ms: 30_000, leastRunMs: 120_000 },
};

/**
 * Now and then a process stands still until it is taken for dead, and comes back as a zombie: a consumer's
 * session ends after 10 s; a worker's jobs are freed after 90 s of silence, and others send its messages
 * after a lease of two minutes; others take an analyzer's archives and results after a lease of three.
 */
const zombies: Partial<Record<Kind, { ms: number; leastRunMs: number }>> = {
  freeze_consumer: { ms: 36_000, leastRunMs: 108_000 },
  freeze_worker: { ms: 140_000, leastRunMs: 300_000 },
  freeze_analyzer: { ms: 200_000, leastRunMs: 420_000 },
};

/** In the first deck, which is drawn from its end, what stands still for minutes: later it would not fit in. */
const zombiesLast = (deck: Kind[], first: boolean): Kind[] =>
  first ? [...deck.filter((kind) => !(kind in zombies)), ...deck.filter((kind) => kind in zombies)] : deck;

/**
 * The faults of a run, in order. Every kind (`kindsOf`) comes once before any comes twice. The same seed and length give
 * the same faults.
 */
export function planOf(seed: number, lengthMs: number, meanGapMs: number): Fault[] {
  const random: Random = seeded(seed);
  const faults: Fault[] = [];
  const all = kindsOf(lengthMs);
  let deck: Kind[] = [];
  let atMs = 0;
  for (;;) {
    atMs += Math.round(meanGapMs * (0.5 + random()));
    if (atMs > lengthMs && faults.length >= all.length) return faults;
    if (deck.length === 0) deck = zombiesLast(shuffle(random, [...all]), faults.length === 0);
    const kind = deck.pop() as Kind;
    const most = Math.min(kinds[kind].ms, meanGapMs * 2.5);
    const zombie = zombies[kind] ?? long[kind];
    // the first one that fits in, so that no run is without, and then every third
    const isZombie =
      zombie !== undefined &&
      lengthMs >= zombie.leastRunMs &&
      atMs + zombie.ms <= lengthMs &&
      (!faults.some((fault) => fault.kind === kind && fault.ms === zombie.ms) || below(random, 3) === 0);
    const ms = isZombie ? zombie.ms : Math.round(most * (0.3 + 0.7 * random()));
    faults.push({ kind, atMs, ms, which: below(random, 64) });
  }
}
