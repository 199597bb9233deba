import type { MessageProducer } from "../../kafka/producer.ts";
import { sendEach } from "../../kafka/send_each.ts";
import type { RenderedNotification } from "../claimed.ts";
import { failure, type Outcome, released, success, untried } from "../outbox.ts";
import type { Target } from "../target.ts";
import { buildNotificationMessage, type NotificationMessage, type NotificationUrls } from "./message.ts";

/** The texts that its messages have, and the markup they go into. */
export const notificationsBackendTexts = { texts: ["description"], format: "html" } as const;

/** Topic platform.notifications.ingress: one message for a cluster, one event for an issue. */
export class NotificationsBackend implements Target {
  readonly name = "notifications backend";
  readonly batchSize = 500;
  readonly leaseMs = 120_000;
  readonly texts = notificationsBackendTexts.texts;
  readonly format = notificationsBackendTexts.format;
  readonly #producer: MessageProducer;
  readonly #topic: string;
  readonly #urls: NotificationUrls;

  constructor(producer: MessageProducer, topic: string, urls: NotificationUrls) {
    this.#producer = producer;
    this.#topic = topic;
    this.#urls = urls;
  }

  async *send(rows: RenderedNotification[], mayStart: () => boolean): AsyncGenerator<Outcome[]> {
    if (!mayStart()) {
      yield rows.map(released);
      return;
    }
    const outcomes: Outcome[] = [];
    const messages = new Map<string, NotificationMessage>();
    for (const row of rows) {
      try {
        messages.set(row.id, buildNotificationMessage(row, this.#urls));
      } catch (error) {
        outcomes.push(failure(row, error));
      }
    }
    const results = await sendEach(this.#producer, this.#topic, messages);
    for (const row of rows) {
      const result = results.get(row.id);
      if (!result) continue;
      if (result.ok) {
        const { partition, offset } = result;
        outcomes.push(success(row, { topic: this.#topic, partition, offset }));
      } else {
        const failed = failure(row, result.error);
        outcomes.push(result.tried ? failed : untried(failed));
      }
    }
    yield outcomes;
  }

  close(): Promise<void> {
    return this.#producer.disconnect();
  }
}
