import type { Format } from "../content/render/escape.ts";
import type { RenderedNotification, TextName } from "./claimed.ts";
import type { Outcome, TargetName } from "./outbox.ts";

/** What is claimed but has not been started by then is given back: the lease still covers what has been. */
export const startWithinMs = 30_000;

/** A place that notifications go to. */
export interface Target {
  readonly name: TargetName;
  /** How many messages are taken from the outbox at a time. */
  readonly batchSize: number;
  /**
   * How long they stay ours, in milliseconds: longer than `startWithinMs` and then sending what has been
   * started.
   */
  readonly leaseMs: number;
  /** The texts of rule content that it needs, and the markup they go into. */
  readonly texts: readonly TextName[];
  readonly format: Format;
  /**
   * Sends them and yields their outcomes, as soon as some are known. Does not throw for a failed delivery.
   * What it has not begun to send when `mayStart` says no is `released`.
   */
  send(rows: RenderedNotification[], mayStart: () => boolean): AsyncIterable<Outcome[]>;
  close(): Promise<void>;
}
