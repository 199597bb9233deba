import { createRequire } from "node:module";
import pg from "pg";

/**
 * Preloaded into a service (`node --import`): the process kills itself, as by kill -9, at the moment that
 * KILL_BEFORE names. `commit`: the messages are in the database, their offset is about to be committed to
 * Kafka. `settle`: the notifications are sent, that is about to be recorded. `accept`: an archive is in the
 * store, its row is not. `announced`: the announcements of uploads are sent, that is about to be recorded.
 */
const moment = process.env.KILL_BEFORE;
const calls: Record<string, string> = {
  settle: "settle_notifications",
  accept: "accept_upload",
  announced: "settle_upload_messages",
};
const call = calls[moment ?? ""];
const die = () => process.kill(process.pid, "SIGKILL");

if (moment === "commit") {
  const OffsetManager = createRequire(import.meta.url)("kafkajs/src/consumer/offsetManager/index.js");
  OffsetManager.prototype.commitOffsets = async () => die();
} else if (call !== undefined) {
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args;
    const text = typeof first === "string" ? first : (first as { text?: string }).text;
    if (text?.includes(call)) die();
    return query.apply(this, args);
  } as never;
} else {
  throw new Error("KILL_BEFORE has to be commit, settle, accept or announced");
}
