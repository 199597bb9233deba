import { EventEmitter } from "node:events";

/**
 * Preloaded into a service (`node --import`): graphile-worker's pool shuts down a moment after the process
 * runs, as it does when it cannot record how a job ended; nobody has asked for it. With TEST_HOLDS,
 * something holds the process.
 */
if (process.env.TEST_HOLDS) setInterval(() => undefined, 1_000);
const emit = EventEmitter.prototype.emit;
EventEmitter.prototype.emit = function (this: EventEmitter, name: string | symbol, ...args: unknown[]) {
  if (name === "pool:create") {
    const { workerPool } = args[0] as { workerPool: { gracefulShutdown(reason: string): Promise<void> } };
    setTimeout(() => void workerPool.gracefulShutdown("the test ends it"), 1_000);
  }
  return emit.call(this, name, ...args);
};
