import { setTimeout as sleep } from "node:timers/promises";
import kafkajs, { type Consumer } from "kafkajs";
import type pg from "pg";
import type { Logger } from "pino";
import type { Config } from "../../src/config/config.ts";
import { createPool } from "../../src/db/pool.ts";
import { parseMessage } from "../../src/ingest/parse_message.ts";
import type { SampleArchive } from "../samples/archives.ts";
import type { SampleMessage } from "../samples/samples.ts";
import type { ServiceLogReceiver } from "../stack/service_log_receiver.ts";

export type Summary = {
  uploads: { sent: number; analyzed: number; failed: number };
  reports: { produced: number; stored: number; rejected: number };
  issues: { open: number };
  decisions: { notify: number; hold: number; reasons: Record<string, number> };
  targets: Record<string, { sent: number; dead: number }>;
};

/** `lost`: sentences, one for each thing that does not add up. */
export type Result = { summary: Summary; lost: string[] };

const patienceMs = 120_000;

/**
 * Keeps the books of a demo from outside the service: what was produced, what is in the database, and what
 * the receivers really got.
 */
export class Books {
  readonly pool: pg.Pool;
  readonly #config: Config;
  readonly #messages: SampleMessage[];
  readonly #receiver: ServiceLogReceiver | undefined;
  readonly #kafka: kafkajs.Kafka;
  readonly #consumer: Consumer;
  readonly #received = new Set<string>();
  readonly #uploads = new Map<string, SampleArchive>();

  private constructor(
    config: Config,
    messages: SampleMessage[],
    receiver: ServiceLogReceiver | undefined,
    log: Logger,
  ) {
    this.#config = config;
    this.#messages = messages;
    this.#receiver = receiver;
    this.pool = createPool({ databaseUrl: config.databaseUrl ?? "", size: 2, name: "ccx demo", log });
    this.#kafka = new kafkajs.Kafka({
      brokers: [...(config.kafkaBrokers ?? [])],
      clientId: "ccx-demo",
      logLevel: kafkajs.logLevel.NOTHING,
    });
    this.#consumer = this.#kafka.consumer({ groupId: `${config.consumerGroup}.demo-${process.pid}` });
  }

  /** Opens the books; from now on every notification that arrives is counted. */
  static async open(
    config: Config,
    messages: SampleMessage[],
    receiver: ServiceLogReceiver | undefined,
    log: Logger,
  ): Promise<Books> {
    const books = new Books(config, messages, receiver, log);
    await books.#consumer.connect();
    await books.#consumer.subscribe({ topic: config.notificationsTopic, fromBeginning: true });
    await books.#consumer.run({
      eachMessage: async ({ message }) => {
        books.#received.add(message.headers?.["rh-message-id"]?.toString() ?? `offset ${message.offset}`);
      },
    });
    return books;
  }

  async produce(): Promise<void> {
    const producer = this.#kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    for (let first = 0; first < this.#messages.length; first += 200) {
      const messages = this.#messages.slice(first, first + 200).map(({ key, value }) => ({ key, value }));
      await producer.send({ topic: this.#config.resultsTopic, messages });
    }
    await producer.disconnect();
  }

  /** Notes an archive that was uploaded, and the request id that it got. */
  uploaded(requestId: string, archive: SampleArchive): void {
    this.#uploads.set(requestId, archive);
  }

  /** The uploads by their request ids, in their order. */
  get uploads(): ReadonlyMap<string, SampleArchive> {
    return this.#uploads;
  }

  /**
   * Resolves when everything is stored, decided and delivered; rejects when nothing has moved for two
   * minutes.
   */
  async finished(say: (line: string) => void, signal: AbortSignal): Promise<Result> {
    let before = "";
    let movedAt = performance.now();
    for (;;) {
      const { rows } = await this.pool.query(
        `
        select
          (select coalesce(sum(next_offset), 0) from consumer_offset where topic = $1)::integer as consumed,
          (select count(*) from analysis where ended_at is not null)::integer as analyzed,
          (select count(*) from analysis where state = 'published')::integer as published,
          (select count(*) from decision_due)::integer as undecided,
          (select count(*) from notification where state = 'pending')::integer as pending,
          (select count(*) from notification where state = 'sent')::integer as sent`,
        [this.#config.resultsTopic],
      );
      const { consumed, analyzed, published, undecided, pending, sent } = rows[0];
      const results = this.#messages.length + published;
      const line = `${analyzed} of ${this.#uploads.size} archives analyzed, ${consumed} of ${results} results consumed, ${undecided} clusters to decide, ${pending} notifications to send, ${sent} sent`;
      say(line);
      if (
        analyzed === this.#uploads.size &&
        consumed === results &&
        undecided === 0 &&
        pending === 0 &&
        (await this.#allReceived())
      )
        break;
      if (line !== before) movedAt = performance.now();
      else if (performance.now() - movedAt > patienceMs)
        throw new Error(`nothing has moved for two minutes: ${line}`);
      before = line;
      await sleep(100, undefined, { signal });
    }
    return this.#audit();
  }

  /** Our own consumer may be a moment behind. */
  async #allReceived(): Promise<boolean> {
    const { rows } = await this.pool.query(
      "select count(*)::integer as sent from notification where target_id = 1 and state = 'sent'",
    );
    return this.#received.size >= rows[0].sent;
  }

  async #audit(): Promise<Result> {
    const now = new Date();
    const keys: { org_id: number; cluster: string; updated_at: string }[] = [];
    let invalid = 0;
    for (const { value } of this.#messages) {
      const parsed = parseMessage(value, now);
      if (parsed.kind === "rejected") invalid++;
      else keys.push({ org_id: parsed.orgId, cluster: parsed.cluster, updated_at: parsed.updatedAt });
    }
    const { rows } = await this.pool.query(
      `select
        (select count(*) from jsonb_to_recordset($1::jsonb) as k (org_id bigint, cluster text, updated_at timestamptz)
          join new_reports r using (org_id, cluster, updated_at))::integer as stored,
        (select count(*) from rejected_message)::integer as rejected,
        (select count(*) from issue where closed_at is null)::integer as open,
        (select count(*) from notified_issue where live)::integer as notify,
        (select count(*) from explain_notification where decision = 'hold' and last_notified_at is null)::integer as hold,
        (select count(*) from new_issues)::integer as unnotified,
        (select coalesce(jsonb_object_agg(reason, n), '{}') from (
          select reason, count(*) as n
          from explain_notification, unnest(reasons) as reason
          where last_notified_at is null
          group by reason order by n desc, reason) by_reason) as reasons,
        (select jsonb_object_agg(name, jsonb_build_object('sent', sent, 'dead', dead)) from (
          select t.name, count(*) filter (where n.state = 'sent') as sent, count(*) filter (where n.state = 'dead') as dead
          from event_targets t left join notification n on n.target_id = t.id
          group by t.id order by t.id) by_target) as targets`,
      [JSON.stringify(keys)],
    );
    const row = rows[0];
    const analyzed = await this.#analyzed();
    const failed = analyzed.filter(({ state }) => state === "dead").length;
    const summary: Summary = {
      uploads: { sent: this.#uploads.size, analyzed: analyzed.length - failed, failed },
      reports: { produced: this.#messages.length, stored: row.stored, rejected: row.rejected },
      issues: { open: row.open },
      decisions: { notify: row.notify, hold: row.hold, reasons: row.reasons },
      targets: row.targets,
    };
    const lost = this.#whatIsLost(summary, keys.length, invalid, row.unnotified);
    for (const [requestId, { about, expect }] of this.#uploads) {
      const one = analyzed.find((it) => it.request_id === requestId);
      const found = one?.failure ?? JSON.stringify(one?.keys);
      const expected = "failure" in expect ? expect.failure : JSON.stringify(expect.keys);
      if (found !== expected) lost.push(`archive "${about}": ${expected} expected, ${found} found`);
    }
    return { summary, lost };
  }

  /** What became of the archives: why they failed, or the issues that their clusters have by them. */
  async #analyzed(): Promise<
    { request_id: string; state: string; failure: string | null; keys: string[] }[]
  > {
    const { rows } = await this.pool.query(`
      select a.request_id, a.state, a.failure, array(
        select r.error_key
        from issue i
        join rule r on r.id = i.rule_id
        where i.cluster = a.cluster and i.closed_at is null
        order by r.error_key) as keys
      from analysis a`);
    return rows;
  }

  #whatIsLost({ reports, targets }: Summary, valid: number, invalid: number, unnotified: number): string[] {
    const lost: string[] = [];
    const differ = (what: string, expected: number, found: number) => {
      if (expected !== found) lost.push(`${what}: ${expected} expected, ${found} found`);
    };
    differ("results stored", valid, reports.stored);
    differ("results rejected", invalid, reports.rejected);
    differ("issues that qualify but were not notified", 0, unnotified);
    differ(
      "messages on the notifications topic",
      targets["notifications backend"]?.sent ?? 0,
      this.#received.size,
    );
    if (this.#receiver) {
      differ("entries in the Service Log", targets["service log"]?.sent ?? 0, this.#receiver.entries.length);
      lost.push(
        ...this.#receiver.unexpected.map((what) => `the Service Log got something unexpected: ${what}`),
      );
    }
    for (const [name, { dead }] of Object.entries(targets)) differ(`dead notifications for ${name}`, 0, dead);
    return lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.disconnect();
    await this.pool.end();
  }
}
