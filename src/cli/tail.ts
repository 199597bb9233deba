import { z } from "zod";
import { listen } from "../db/listen.ts";

const event = z.object({
  event: z.string(),
  at: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});

/**
 * Prints a line for each batch that is ingested, decided or delivered, until the signal is aborted (SQL
 * announce). For people: what happens while the connection is lost is not shown.
 */
export async function tail(
  databaseUrl: string,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const listener = await listen(databaseUrl, "ccx_events", {
    onPayload: (payload) => print(lineOf(payload)),
    onTrouble: (message) => print(`-- ${message}`),
  });
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  await listener.close();
}

/** One event as a line: time, what happened, and the counts that are not zero. */
export function lineOf(payload: string): string {
  const parsed = event.safeParse(tryJson(payload));
  if (!parsed.success) return `-- ${JSON.stringify(payload).slice(0, 200)}`;
  const { at, event: name, details } = parsed.data;
  const { target, topic, partition, ...counts } = details;
  const where = [target, topic === undefined ? undefined : `${topic}/${partition}`].filter(
    (text) => text != null,
  );
  const counted = Object.entries(counts).filter(([, count]) => count !== 0);
  const words = counted.map(([what, count]) => `${what} ${count}`);
  return [at.slice(11, 19), name.padEnd(9), ...where, words.join(", ") || "nothing new"].join("  ");
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
