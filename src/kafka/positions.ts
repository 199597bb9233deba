import type { Kafka } from "kafkajs";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";

export type PositionsOptions = {
  kafka: Kafka;
  log: Logger;
  topic: string;
  group: string;
  /** The first offset of a partition that the database does not have; rejects with what `pg` throws. */
  nextOffset(partition: number): Promise<bigint>;
  /** Makes the consumer go on from there. */
  seek(partition: number, offset: bigint): void;
};

/**
 * Compares where Kafka hands over with where the database is. Usually Kafka lags, and what is handed over
 * again is skipped by its offset. It leads when the database was restored or is another one; then the
 * partition is read again from the database's offset, once for each membership of the group. While we store,
 * the database is asked with each portion whether it still has the one before: a failover may have taken it
 * back.
 */
export class Positions {
  readonly #options: PositionsOptions;
  /** "sought" until the batch after the seek has come. */
  readonly #partitions = new Map<number, "sought" | "checked">();
  /**
   * Where the last portion that we stored ended, or the check found the database. All else that is
   * remembered.
   */
  readonly #ended = new Map<number, bigint>();

  constructor(options: PositionsOptions) {
    this.#options = options;
  }

  /**
   * To be called when partitions are assigned. Where Kafka believes that we have everything it hands over no
   * batch, so a check of the first one would never come. What this misses (the database or Kafka is away now)
   * check() finds with the next message. Never rejects.
   */
  async joined(partitions: readonly number[]): Promise<void> {
    const { kafka, topic, group, log } = this.#options;
    this.#partitions.clear();
    this.#ended.clear();
    const admin = kafka.admin();
    try {
      await admin.connect();
      const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      for (const { partition, offset } of committed?.partitions ?? []) {
        if (!partitions.includes(partition)) continue;
        const expected = await this.#nextOffset(partition);
        if (BigInt(offset) > expected) this.#seek(partition, BigInt(offset), expected);
      }
    } catch (error) {
      log.debug(
        { topic, error: messageOf(error) },
        "Kafka's offsets were not compared with the database's yet",
      );
    } finally {
      await admin.disconnect();
    }
  }

  /** To be called when not all of a batch was stored: the next one is compared with the database again. */
  forget(partition: number): void {
    this.#partitions.delete(partition);
    this.#ended.delete(partition);
  }

  /** To be called when a portion was stored: where it ended. */
  stored(partition: number, end: bigint): void {
    this.#ended.set(partition, end);
  }

  /** Where the last portion ended, for `ingest()` to compare; null when nothing is believed. */
  expected(partition: number): string | null {
    return this.#ended.get(partition)?.toString() ?? null;
  }

  /**
   * To be called when the database is behind what we have stored: the partition is read again from where the
   * database is. Rejects with what `pg` throws.
   */
  async readAgain(partition: number): Promise<void> {
    const was = this.#ended.get(partition);
    const next = await this.#nextOffset(partition);
    if (was === undefined || this.#ended.get(partition) !== was) return; // somebody was faster
    this.forget(partition);
    if (next >= was) return;
    const { log, topic, seek } = this.#options;
    log.error(
      { topic, partition, stored: `${was}`, database: `${next}` },
      "the database lost what it had stored, reading again from where it is",
    );
    seek(partition, next);
  }

  /**
   * To be called when connections were lost: compares all that is remembered with the database, also of
   * partitions without new messages. Rejects with what `pg` throws.
   */
  async compareAll(): Promise<void> {
    for (const [partition, end] of [...this.#ended])
      if ((await this.#nextOffset(partition)) < end) await this.readAgain(partition);
  }

  /**
   * To be called with the first offset of a batch before any of it is stored. False when the partition is
   * read again from an earlier offset: the batch must be left alone. Rejects with what `pg` throws.
   */
  async check(partition: number, first: bigint): Promise<boolean> {
    const state = this.#partitions.get(partition);
    if (state === "checked") return true;
    const expected = await this.#nextOffset(partition);
    if (first > expected && state !== "sought") {
      this.#partitions.set(partition, "sought");
      this.#seek(partition, first, expected);
      return false;
    }
    if (first > expected && expected > 0n) {
      const { log, topic } = this.#options;
      log.error(
        { topic, partition, first: `${first}`, expected: `${expected}` },
        "messages that the database does not have are gone from Kafka",
      );
    }
    this.#partitions.set(partition, "checked");
    this.#ended.set(partition, expected);
    return true;
  }

  #seek(partition: number, first: bigint, expected: bigint): void {
    const { log, topic, seek } = this.#options;
    log.warn(
      { topic, partition, first: `${first}`, expected: `${expected}` },
      "Kafka is ahead of the database, reading again from where the database is",
    );
    seek(partition, expected);
  }

  #nextOffset(partition: number): Promise<bigint> {
    return this.#options.nextOffset(partition);
  }
}
