import pg from "pg";

/**
 * Preloaded into an analyzer (`node --import`): the process kills itself, as by kill -9, at the moment that
 * KILL_BEFORE names: before a batch is taken, while rules run, before a result is published, or when it is
 * published and that is about to be recorded.
 */
const moment = process.env.KILL_BEFORE ?? "";
const die = () => process.kill(process.pid, "SIGKILL");
const calls: Record<string, string> = {
  take: "take_announcements",
  run: "analyze_archive",
  publish: "analyze_archive",
  settle: "settle_results",
};
const call = calls[moment];
if (call === undefined) throw new Error(`KILL_BEFORE has to be one of ${Object.keys(calls).join(", ")}`);

const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  const [first] = args;
  const text = typeof first === "string" ? first : (first as { text?: string }).text;
  if (!text?.includes(call)) return query.apply(this, args);
  if (moment === "take" || moment === "settle") die();
  const answer = query.apply(this, args);
  if (moment === "run") setImmediate(die);
  else void Promise.resolve(answer).then(die);
  return answer;
} as never;
