import { Counter, Gauge, Histogram, Pushgateway, Registry } from "prom-client";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { registry as ours } from "../../metrics/registry.ts";
import { readDuration } from "../go_values.ts";
import type { Given } from "../sources.ts";
import { numberOf, type Target, textOf, withScheme } from "../translate.ts";

/** What each counter of the incumbent counts. */
const counters = {
  fetch_content_errors: "Rule content could not be fetched",
  read_cluster_list_errors: "The list of clusters could not be read",
  read_reported_errors: "What was reported could not be read",
  producer_setup_errors: "Kafka or Service Log could not be used",
  storage_setup_errors: "The database could not be used",
  read_report_for_cluster_errors: "A report could not be read",
  deserialize_report_errors: "A report was no JSON",
  report_with_high_impact: "Issues that are to be notified",
  notification_not_sent_same_state: "Clusters of which nobody is notified",
  notification_not_sent_error_state: "Deliveries that failed",
  notification_sent: "Messages that were delivered",
  total_risk_no_severity: "Total risks without a severity; always 0",
} as const;

export type CounterName = keyof typeof counters;

/** What the gauge service_status says. */
export const statuses = {
  starting: 1,
  fetching_content: 2,
  reading_clusters: 3,
  reading_previously_reported: 4,
  processing_clusters: 5,
  finished: 6,
} as const;

/** A gateway that hangs keeps no pass. */
const pushWithinMs = 10_000;

const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The incumbent's metrics of one pass, under the names that its boards know, and the push to a gateway. */
export class PassMetrics {
  readonly registry = new Registry();
  readonly #counters: Record<CounterName, Counter>;
  readonly #durations: Histogram<"operation">;
  readonly #status: Gauge;
  readonly #given: Given;
  readonly #target: Target;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #pushing: Promise<unknown> = Promise.resolve();

  constructor(given: Given, target: Target, log: Logger) {
    this.#given = given;
    this.#target = target;
    this.#log = log;
    const prefix = ["metrics.namespace", "metrics.subsystem"]
      .map((name) => textOf(given, name))
      .filter((part) => part !== "")
      .map((part) => `${part}_`)
      .join("");
    const named = (name: string, help: string) => ({
      name: `${prefix}${name}`,
      help,
      registers: [this.registry],
    });
    this.#counters = Object.fromEntries(
      Object.entries(counters).map(([name, help]) => [name, new Counter(named(name, help))]),
    ) as Record<CounterName, Counter>;
    this.#durations = new Histogram({
      ...named("operation_duration_seconds", "How long the operations of a pass took"),
      labelNames: ["operation"],
      buckets: defaultBuckets,
    });
    this.#status = new Gauge(
      named(
        "service_status",
        "0 inactive, 1 starting, 2 fetching content, 3 reading clusters, 4 reading what was reported, " +
          "5 processing clusters, 6 finished",
      ),
    );
  }

  count(name: CounterName, by = 1): void {
    this.#counters[name].inc(by);
  }

  status(status: keyof typeof statuses): void {
    this.#status.set(statuses[status]);
  }

  /** Measures how long an operation takes, also when it fails. */
  async timed<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const end = this.#durations.startTimer({ operation });
    try {
      return await work();
    } finally {
      end();
    }
  }

  /** Whether there is a gateway that takes our metrics. */
  get #isPushed(): boolean {
    return ["metrics.gateway_auth_token", "metrics.namespace", "metrics.gateway_url"].every(
      (name) => textOf(this.#given, name) !== "",
    );
  }

  /** Pushes now and then, until the end of the pass. */
  pushRegularly(): void {
    const everyMs = readDuration(textOf(this.#given, "metrics.gateway_time_between_push")) ?? 0;
    if (!this.#isPushed || everyMs < 1) return;
    this.#timer = setInterval(() => {
      this.#pushing = this.#push().catch((error) =>
        this.#log.warn({ error: messageOf(error) }, "metrics could not be pushed"),
      );
    }, everyMs).unref();
  }

  /** The last push, tried again as often as it is configured. A gateway that is away fails no pass. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#isPushed) return;
    await this.#pushing;
    const retries = numberOf(this.#given, "metrics.retries");
    const waitMs = readDuration(textOf(this.#given, "metrics.retry_after")) ?? 0;
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#push();
        this.#log.info("metrics are pushed");
        return;
      } catch (error) {
        this.#log.error({ error: messageOf(error), attempt }, "metrics could not be pushed");
        if (attempt >= retries) return;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  /** Each target has a group of its own, so that two jobs do not overwrite each other. */
  async #push(): Promise<void> {
    const gateway = new Pushgateway(
      withScheme(textOf(this.#given, "metrics.gateway_url")),
      {
        headers: { Authorization: `Basic ${textOf(this.#given, "metrics.gateway_auth_token")}` },
        signal: AbortSignal.timeout(pushWithinMs),
      },
      Registry.merge([this.registry, ours]) as Registry,
    );
    await gateway.push({
      jobName: textOf(this.#given, "metrics.job_name"),
      groupings: { target: this.#target.replaceAll(" ", "_") },
    });
  }
}
