import kafkajs, { type Kafka, type Producer } from "kafkajs";
import { messageOf } from "../errors.ts";

/**
 * What we use of kafkajs' producer. The caller says `acks` with each send; -1 (all) is the only one Kafka
 * takes here.
 */
export type MessageProducer = Pick<Producer, "connect" | "disconnect" | "send">;

/** There is no connection, so nothing was sent; the message is that of what went wrong, its cause. */
export class NotConnected extends Error {
  override name = "NotConnected";
}

/**
 * An idempotent producer that may be shared: sends wait for each other, so put many messages into one.
 *
 * kafkajs numbers messages so that the broker can drop a repetition, but takes the number back when a send
 * fails, even if the broker did store it. The next message, from the next or a concurrent send, would get
 * that number and be dropped as a repetition, reported as sent. Hence one send at a time, and a new producer,
 * with numbers of its own, after each failure. What failed may be stored twice: receivers know it by its id.
 *
 * `connect` and `send` reject with NotConnected where there is no connection, else with what kafkajs throws.
 * A send that cannot reach a broker gives up after about ten seconds, and the waiting ones get their turn.
 * `disconnect` lets the sends that wait finish first; later ones are refused until `connect` is called again.
 */
export function createProducer(kafka: Kafka): MessageProducer {
  let current: Promise<Producer> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let isClosed = false;

  const open = async (): Promise<Producer> => {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: { retries: 5, initialRetryTime: 200, maxRetryTime: 5_000 },
    });
    try {
      await producer.connect();
    } catch (error) {
      await producer.disconnect().catch(() => undefined);
      throw new NotConnected(messageOf(error), { cause: error });
    }
    return producer;
  };
  const discard = async (): Promise<void> => {
    const old = current;
    current = undefined;
    await old?.then((producer) => producer.disconnect()).catch(() => undefined);
  };
  const inTurn = <Result>(work: (producer: Producer) => Promise<Result>): Promise<Result> => {
    if (isClosed) return Promise.reject(new NotConnected("The producer is disconnected."));
    const result = turn.then(async () => {
      current ??= open();
      try {
        return await work(await current);
      } catch (error) {
        await discard();
        throw error;
      }
    });
    turn = result.catch(() => undefined);
    return result;
  };

  return {
    connect: () => {
      isClosed = false;
      return inTurn(async () => undefined);
    },
    send: (record) => inTurn((producer) => producer.send(record)),
    disconnect: async () => {
      isClosed = true;
      turn = turn.then(discard);
      await turn;
    },
  };
}
