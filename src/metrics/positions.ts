import type { PartitionEnds } from "../kafka/broker_probe.ts";
import type { Finding } from "./sql.ts";

/**
 * What the database says of a topic that ends before what was stored of it: it is another one than before.
 */
export function aheadOf(
  topic: string,
  ends: readonly PartitionEnds[],
  consumed: readonly { partition: string; next_offset: number }[],
): Finding[] {
  return ends.flatMap(({ partition, high }) => {
    const next = consumed.find((position) => position.partition === String(partition))?.next_offset;
    if (next === undefined || next <= high) return [];
    return {
      severity: "error",
      topic: "kafka",
      finding:
        `partition ${partition} of topic ${topic} ends at ${high}, and the database has it up to ` +
        `${next}`,
      meaning:
        "the topic was made anew, or these are other brokers: new messages look as if they were stored",
      what_to_do:
        "see CcxConsumerAhead in docs/runbook.md; delete no offset before you know which topic is right",
    };
  });
}
