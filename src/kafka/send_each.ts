import type { Message, ProducerRecord, RecordMetadata } from "kafkajs";
import { DeliveryError, type FailureReason } from "../errors.ts";
import { isProgrammingError } from "./kafka_errors.ts";
import { NotConnected } from "./producer.ts";

/** What is needed of a kafkajs producer. It must come through a failed send: see src/kafka/producer.ts. */
export interface RecordProducer {
  send(record: ProducerRecord): Promise<RecordMetadata[]>;
}

/**
 * `partition` and `offset` are null where the broker's answer does not name them for a single message. Not
 * `tried`: it was not even sent, for an earlier one had failed.
 */
export type SendResult =
  | { ok: true; partition: number | null; offset: string | null }
  | { ok: false; error: DeliveryError; tried: boolean };

/** Errors one message can cause, so that it must not take its neighbours down. */
const messageFaults: Record<string, FailureReason> = {
  MESSAGE_TOO_LARGE: "client",
  RECORD_LIST_TOO_LARGE: "client",
  CORRUPT_MESSAGE: "schema",
  INVALID_RECORD: "schema",
  INVALID_TIMESTAMP: "schema",
  UNSUPPORTED_FOR_MESSAGE_FORMAT: "schema",
};

const mostMessages = 500;
/**
 * kafkajs sends a partition's messages as one record batch, and the broker's 1 MiB limit counts the batch.
 */
const mostBytes = 768 * 1024;
const overheadBytes = 128;

type Entry = [rowId: string, message: Message];

/**
 * Sends messages, given by the id of their row, in their order and with the acknowledgement of all replicas.
 * Usually one request; more only when they would not fit into one record batch. When a request fails for
 * something one message can cause, its messages are sent one by one and the bad one fails alone (permanent,
 * "client" or "schema"): the broker refuses it, or kafkajs cannot even write it down and throws a TypeError,
 * twice (the second time with a new connection, so that it is not that). Any other failure is the broker's,
 * with the retryable reason "broker"; what it happened to may have arrived, the receiver knows it by its id.
 * What is left then is not tried.
 *
 * Never rejects because of Kafka; the map has a result for every row.
 */
export async function sendEach(
  producer: RecordProducer,
  topic: string,
  messages: ReadonlyMap<string, Message>,
): Promise<Map<string, SendResult>> {
  const results = new Map<string, SendResult>();
  let brokerFailure: DeliveryError | undefined;

  const trySend = async (entries: Entry[], isAlone = false): Promise<void> => {
    if (brokerFailure) {
      for (const [rowId] of entries) results.set(rowId, { ok: false, error: brokerFailure, tried: false });
      return;
    }
    try {
      const answer = await producer.send({
        topic,
        acks: -1,
        messages: entries.map(([, message]) => message),
      });
      entries.forEach(([rowId], index) => {
        results.set(rowId, { ok: true, ...placeOf(answer, index) });
      });
    } catch (error) {
      const unwritable = encodingFault(error);
      const fault = unwritable ?? messageFault(error);
      if (fault && !isAlone && (unwritable || entries.length > 1)) {
        for (const entry of entries) await trySend([entry], true);
        return;
      }
      const failure = fault ?? brokerError(error);
      if (!fault) brokerFailure = failure;
      for (const [rowId] of entries) results.set(rowId, { ok: false, error: failure, tried: true });
    }
  };

  for (const entries of chunks(messages)) await trySend(entries);
  return results;
}

function* chunks(messages: ReadonlyMap<string, Message>): Generator<Entry[]> {
  let chunk: Entry[] = [];
  let bytes = 0;
  for (const entry of messages) {
    const size = Buffer.byteLength(entry[1].value ?? "") + overheadBytes;
    if (chunk.length > 0 && (chunk.length >= mostMessages || bytes + size > mostBytes)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(entry);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

/**
 * The broker names the first offset per partition: enough for one message, or when all went to one partition.
 */
function placeOf(answer: RecordMetadata[], index: number) {
  const [first] = answer;
  if (first === undefined || answer.length > 1) return { partition: null, offset: null };
  // -1: appended by an earlier try of the same request, the broker no longer knows where.
  const base = first.baseOffset;
  const known = base !== undefined && /^\d+$/.test(base);
  return { partition: first.partition, offset: known ? String(BigInt(base) + BigInt(index)) : null };
}

/** The protocol's name of an error, wherever kafkajs wrapped it. */
function typeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if ("type" in at && typeof at.type === "string") return at.type;
  }
  return undefined;
}

function messageFault(error: unknown): DeliveryError | undefined {
  const type = typeOf(error) ?? "";
  const reason = Object.hasOwn(messageFaults, type) ? messageFaults[type] : undefined;
  return (
    reason &&
    new DeliveryError(reason, `Kafka refused the message (${type}).`, {
      permanent: true,
      notStored: true,
      tooLarge: reason === "client",
      cause: error,
    })
  );
}

/** kafkajs stumbled over what it was given; not over how it is to connect, which is no message's fault. */
function encodingFault(error: unknown): DeliveryError | undefined {
  if (error instanceof NotConnected || !isProgrammingError(error)) return undefined;
  return new DeliveryError("schema", "The message cannot be written as one of Kafka's.", {
    permanent: true,
    cause: error,
  });
}

function brokerError(error: unknown): DeliveryError {
  const what = typeOf(error) ?? (error instanceof Error ? error.name : "");
  return new DeliveryError("broker", `Kafka did not take the messages${what && ` (${what})`}.`, {
    notStored: error instanceof NotConnected,
    cause: error,
  });
}
