import { LRUCache } from "lru-cache";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { listen } from "../../db/listen.ts";
import { messageOf } from "../../errors.ts";
import * as sql from "../sql.ts";
import type { RenderLimits } from "./render_limits.ts";
import { createRenderer, type Rendered, type Renderer, type RenderRequest } from "./renderer.ts";

const checkEveryMs = 60_000;

/**
 * The texts of rule content, as templates from the database and rendered. What was read is kept, and dropped
 * when a NOTIFY on `ccx_content` or the look once a minute finds that the row changed (somebody edited it by
 * hand) or is gone.
 */
export class ContentTexts {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #renderer: Renderer;
  readonly #contents: LRUCache<string, sql.Content>;

  private constructor(pool: Pool, log: Logger, renderer: Renderer, most: number) {
    this.#pool = pool;
    this.#log = log;
    this.#renderer = renderer;
    this.#contents = new LRUCache({ max: most });
  }

  /**
   * Begins with nothing kept; keeps `most` content versions, a few kB each; no installation has as many
   * rules.
   */
  static async create(
    pool: Pool,
    log: Logger,
    { most = 5_000, limits = {} }: { most?: number; limits?: Partial<RenderLimits> } = {},
  ): Promise<ContentTexts> {
    return new ContentTexts(pool, log, await createRenderer(limits), most);
  }

  /** These content versions, by id, with one query at most; one that does not exist is left out. */
  async load(ids: Iterable<string>): Promise<ReadonlyMap<string, sql.Content>> {
    const wanted = new Set(ids);
    const loaded = new Map<string, sql.Content>();
    for (const id of wanted) {
      const kept = this.#contents.get(id);
      if (kept) loaded.set(id, kept);
    }
    const missing = [...wanted].filter((id) => !loaded.has(id));
    if (missing.length === 0) return loaded;
    for (const content of await sql.contentTexts(this.#pool, missing)) {
      loaded.set(content.id, content);
      this.#contents.set(content.id, content);
    }
    return loaded;
  }

  /**
   * Renders texts of a content version. What goes wrong is the `error` of this rendering alone; rejects with
   * RendererClosed once it is disposed of.
   */
  async render<Name extends string>(
    content: sql.Content | undefined,
    request: Omit<RenderRequest<Name>, "contentId" | "templates">,
  ): Promise<Rendered<Name>> {
    if (!content) return { error: "the content version is gone" };
    // by its version, too: what is rendered right now may be older than what is kept
    const contentId = `${content.id} ${content.version}`;
    return this.#renderer.render({ ...request, contentId, templates: content.templates });
  }

  /** Drops what is not as it was read. */
  async check(): Promise<void> {
    if (this.#contents.size === 0) return;
    const versions = await sql.contentVersions(this.#pool, [...this.#contents.keys()]);
    const present = new Map(versions.map(({ id, version }) => [id, version]));
    for (const { id, version } of [...this.#contents.values()])
      if (present.get(id) !== version) this.#contents.delete(id);
  }

  /** Looks at every NOTIFY and once a minute, until the signal is aborted or what it returns is called. */
  async watch(databaseUrl: string): Promise<() => Promise<void>> {
    const look = () =>
      this.check().catch((error) =>
        this.#log.debug({ error: messageOf(error) }, "content was not looked at"),
      );
    const listener = await listen(databaseUrl, "ccx_content", { onPayload: look, onConnected: look });
    const timer = setInterval(look, checkEveryMs).unref();
    return async () => {
      clearInterval(timer);
      await listener.close();
    };
  }

  /** Ends the renderer. */
  async dispose(): Promise<void> {
    await this.#renderer.dispose();
  }
}
