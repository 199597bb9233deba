import type { Db } from "../db/rows.ts";
import { type ParsedMessage, parseMessage, parseWorkloads } from "./parse_message.ts";
import * as sql from "./sql.ts";

/** What a topic carries: reports, or recommendations about workloads. */
export type StreamName = "results" | "workloads";

/** All that the consumer has to know of it: how to read a message, and how to store a portion of them. */
export type Stream = {
  name: StreamName;
  /** Reads one message; never throws. */
  parse(value: Buffer | null, now: Date): ParsedMessage;
  /** Stores a batch of one partition and moves its offset, in one transaction. Rejects as `ingest()` does. */
  store(db: Db, position: sql.Position, batch: string): Promise<sql.Ingested>;
};

export const streams: Readonly<Record<StreamName, Stream>> = {
  results: { name: "results", parse: parseMessage, store: sql.ingest },
  workloads: { name: "workloads", parse: parseWorkloads, store: sql.ingestWorkloads },
};
