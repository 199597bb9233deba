import type { Pool } from "pg";
import type { Dispatcher } from "undici";
import { z } from "zod";
import type { RenderedNotification } from "../../deliver/claimed.ts";
import { failure, type Outcome, released } from "../../deliver/outbox.ts";
import type { Target } from "../../deliver/target.ts";
import { DeliveryError, messageOf } from "../../errors.ts";
import { createAgent, NoAnswer, send } from "../../http/client.ts";
import type { Logger } from "../../log.ts";
import { type ContentRow, contents } from "../sql.ts";

/** The rendering service has as long as theirs gives it. */
const limits = { connectTimeoutMs: 10_000, timeoutMs: 10_000, maxResponseBytes: 10 * 1024 * 1024 };
/** So many clusters are asked about at the same time. */
const atATime = 4;

const answerShape = z.object({
  reports: z.record(
    z.string(),
    z.array(
      z.object({ rule_id: z.string(), error_key: z.string(), reason: z.string(), description: z.string() }),
    ),
  ),
});
type Texts = z.infer<typeof answerShape>["reports"][string];

/** `a.b.x` and `a.b.x.report` are the rule `x`. */
const ruleOf = (name: string): string =>
  name
    .replace(/\.report$/, "")
    .split(".")
    .at(-1) ?? "";

/**
 * A target whose texts come from a rendering service (insights-content-template-renderer), not from our own
 * renderer. It gets only the rules that are needed, one request for each cluster; a failure of it is one
 * of the delivery, which is tried again with the next pass.
 */
export class RenderingTarget implements Target {
  readonly name;
  readonly batchSize;
  readonly leaseMs;
  readonly texts = [];
  readonly format;
  readonly #inner: Target;
  readonly #url: URL;
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #agent: Dispatcher;

  constructor(inner: Target, options: { url: string; pool: Pool; log: Logger }) {
    this.#inner = inner;
    this.name = inner.name;
    this.batchSize = inner.batchSize;
    this.format = inner.format;
    this.leaseMs = inner.leaseMs + limits.timeoutMs;
    this.#url = new URL(options.url);
    this.#pool = options.pool;
    this.#log = options.log;
    this.#agent = createAgent(limits);
  }

  /** A few clusters are rendered and sent before the next, so that what may be begun in time gets through. */
  async *send(rows: RenderedNotification[], mayStart: () => boolean): AsyncGenerator<Outcome[]> {
    const ids = rows.flatMap(({ issues }) => issues.map(({ content_id }) => content_id));
    const known = new Map((await contents(this.#pool, ids)).map((content) => [content.id, content]));
    const waiting = [...Map.groupBy(rows, ({ cluster }) => cluster).values()];
    while (waiting.length > 0 && mayStart()) {
      const rendered: RenderedNotification[] = [];
      const failed: Outcome[] = [];
      const portion = waiting.splice(0, atATime);
      await Promise.all(portion.map((about) => this.#renderOne(about, known, { rendered, failed })));
      if (failed.length > 0) yield failed;
      if (rendered.length > 0) yield* this.#inner.send(rendered, mayStart);
    }
    if (waiting.length > 0) yield waiting.flat().map(released);
  }

  /** All of a cluster: with texts into `rendered`, else as failures into `failed`. Never rejects. */
  async #renderOne(
    about: RenderedNotification[],
    known: ReadonlyMap<string, ContentRow>,
    { rendered, failed }: { rendered: RenderedNotification[]; failed: Outcome[] },
  ): Promise<void> {
    try {
      const texts = await this.#render(about, known);
      for (const row of about) {
        const filled = withTexts(row, texts);
        if (filled) rendered.push(filled);
        else failed.push(failure(row, missing()));
      }
    } catch (error) {
      this.#log.error(
        { "Cluster name": about[0]?.cluster, error: messageOf(error) },
        "Rendering reports failed for this cluster",
      );
      failed.push(...about.map((row) => failure(row, error)));
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
    await this.#inner.close();
  }

  async #render(rows: RenderedNotification[], known: ReadonlyMap<string, ContentRow>): Promise<Texts> {
    const cluster = rows[0]?.cluster ?? "";
    const issues = rows.flatMap(({ issues }) => issues);
    const content = new Map(
      issues.flatMap(({ content_id }) => {
        const one = known.get(content_id);
        return one ? [[`${one.rule_name}|${one.error_key}`, one] as const] : [];
      }),
    );
    const reports = issues.map(({ component, error_key, details, total_risk }) => ({
      ...{ type: "rule", component, key: error_key, details: details ?? {} },
      TotalRisk: total_risk ?? 0,
    }));
    const body = JSON.stringify({
      content: ruleContents([...content.values()]),
      report_data: { clusters: [cluster], reports: { [cluster]: { reports } } },
    });
    const headers = { "content-type": "application/json", accept: "application/json" };
    try {
      const answer = await send(this.#agent, this.#url, { method: "POST", headers, body }, limits);
      if (answer.status !== 200 || typeof answer.body === "string")
        throw refused(`The rendering service answers ${answer.status}.`);
      const parsed = answerShape.safeParse(parsedJson(answer.body.toString("utf8")));
      if (!parsed.success) throw refused("The rendering service answers with something else than texts.");
      return parsed.data.reports[cluster] ?? [];
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      throw new DeliveryError(
        error.timedOut ? "timeout" : "network",
        `The rendering service does not answer${error.timedOut ? " in time" : ""}.`,
        { notStored: true, cause: error.cause },
      );
    }
  }
}

const refused = (message: string) => new DeliveryError("template", message, { notStored: true });
const missing = () => refused("The rendering service has no texts for this issue.");

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The row with the texts of its issues; undefined when one has none. */
function withTexts(row: RenderedNotification, texts: Texts): RenderedNotification | undefined {
  const issues = row.issues.map((issue) => {
    const found = texts.find(
      ({ rule_id, error_key }) =>
        ruleOf(rule_id) === ruleOf(issue.component) && error_key === issue.error_key,
    );
    return found && { ...issue, description: found.description, reason: found.reason };
  });
  const complete = issues.filter((issue) => issue !== undefined);
  return complete.length === row.issues.length ? { ...row, issues: complete } : undefined;
}

/** Rule content as the rendering service reads it: one entry for a rule, with the error keys asked for. */
function ruleContents(rows: ContentRow[]): unknown[] {
  return [...Map.groupBy(rows, ({ rule_name }) => rule_name).values()].map((keys) => ({
    plugin: { name: "", node_id: "", product_code: "", python_module: keys[0]?.python_module ?? "" },
    ...noTexts,
    error_keys: Object.fromEntries(
      keys.map((key) => [
        key.error_key,
        {
          metadata: {
            description: key.description,
            impact: { name: "", impact: key.impact },
            likelihood: key.likelihood,
            publish_date: "",
            resolution_risk: 0,
            status: key.status,
            tags: key.tags,
          },
          total_risk: key.total_risk,
          generic: key.generic,
          summary: key.summary,
          resolution: key.resolution,
          more_info: key.more_info,
          reason: key.reason,
          HasReason: key.reason !== "",
        },
      ]),
    ),
  }));
}

const noTexts = { generic: "", summary: "", resolution: "", more_info: "", reason: "", HasReason: false };
