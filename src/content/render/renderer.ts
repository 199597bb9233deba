import { Worker } from "node:worker_threads";
import { LRUCache } from "lru-cache";
import { quotable } from "../../text/clean.ts";
import { type Doubt, doubtOf } from "./doubts.ts";
import { type Format, settleValues } from "./escape.ts";
import { defaultRenderLimits, type RenderLimits } from "./render_limits.ts";
import type { FromWorker, ToWorker } from "./render_worker.ts";

export interface RenderRequest<Name extends string> {
  /** Id of the content version: what it says never changes, so it is the key of all that is kept. */
  contentId: string;
  /** All doT templates of this version, by name. */
  templates: Readonly<Record<string, string>>;
  /** Those to render. */
  names: readonly Name[];
  /** The hit's details: any JSON. */
  pydata: unknown;
  /** The markup of the receiver, in which values must stay text. */
  format: Format;
}

/**
 * The texts, or one line that says which template failed and why. `doubts`: what a reader would miss, if
 * there is any.
 */
export type Rendered<Name extends string> =
  | { texts: Record<Name, string>; doubts?: Doubt[] }
  | { error: string };

type Answer = Exclude<FromWorker, "ready">;

/** The renderer is closed, and no text is to blame. */
export class RendererClosed extends Error {
  constructor() {
    super("the renderer is closed");
  }
}

type Job = {
  contentId: string;
  templates: Readonly<Record<string, string>>;
  names: readonly string[];
  details: string;
  /** Done again, as the thread it was in was of no use any more. */
  repeated?: true;
  settle(answer: Answer): void;
  refuse(error: RendererClosed): void;
};

/**
 * So many looks may find a thread at the same rendering, whatever it used: on a busy machine it waits for its
 * turn, and a cold start takes seconds.
 */
const mostLooks = 40;

/** Processor time of all threads but this one, in milliseconds. */
function usedByOthersMs(): number {
  const all = process.cpuUsage();
  const own = process.threadCpuUsage?.() ?? { user: 0, system: 0 };
  return (all.user + all.system - own.user - own.system) / 1000;
}

/** Starts a renderer. Dispose of it at the end. */
export async function createRenderer(limits: Partial<RenderLimits> = {}): Promise<Renderer> {
  return new Renderer({ ...defaultRenderLimits, ...limits });
}

/**
 * Renders the texts of rule content, which comes from elsewhere, in a thread of its own that runs nothing but
 * an interpreter without any access to the process. A rendering that hits a limit costs only itself. Own
 * code: a pool of threads does not know which content a thread has, nor that the one under way, and no other,
 * is to blame for silence.
 */
export class Renderer {
  readonly #limits: RenderLimits;
  /** Jobs in the order the thread does them; the first is under way. */
  readonly #jobs = new Set<Job>();
  /** Contents that the thread has. */
  readonly #known: LRUCache<string, true>;
  #worker: Worker | undefined;
  #watch: NodeJS.Timeout | undefined;
  #seen: Job | undefined;
  /** How many looks in a row have found the same rendering under way, and what had been used at the first. */
  #looks = 0;
  #usedBefore = 0;
  /** False until the thread has answered once: its first rendering also loads and compiles everything. */
  #warm = false;
  #disposed = false;

  constructor(limits: RenderLimits) {
    this.#limits = limits;
    this.#known = new LRUCache({
      max: limits.cachedContents,
      dispose: (_, contentId, reason) => {
        if (reason === "evict") this.#send({ forget: contentId });
      },
    });
  }

  /**
   * Renders the named templates of a content. What goes wrong is the `error` of this rendering alone; rejects
   * with RendererClosed only.
   */
  async render<Name extends string>(request: RenderRequest<Name>): Promise<Rendered<Name>> {
    const { contentId, templates, names, pydata, format } = request;
    if (this.#disposed) throw new RendererClosed();
    let details: string;
    try {
      details = JSON.stringify(pydata ?? null);
    } catch {
      return { error: "the details are not JSON" };
    }
    if (details === undefined) return { error: "the details are not JSON" };
    if (details.length > this.#limits.detailsLength)
      return { error: `the details are longer than ${this.#limits.detailsLength} characters` };
    const missing = names.find((name) => typeof templates[name] !== "string");
    if (missing !== undefined) return { error: `there is no template ${quotable(missing)}` };

    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#add({ contentId, templates, names, details, settle: resolve, refuse: reject });
    const answer = await promise;
    if ("error" in answer) return { error: quotable(answer.error) };
    const doubts: Doubt[] = [];
    const texts = names.map((name) => {
      const text = settleValues(answer.texts[name] ?? "", format, (place, example) =>
        doubts.push(doubtOf(name, templates[name] ?? "", { place, kind: "link", example })),
      );
      for (const doubt of answer.doubts[name] ?? []) doubts.push(doubtOf(name, templates[name] ?? "", doubt));
      return [name, text] as const;
    });
    const rendered = { texts: Object.fromEntries(texts) as Record<Name, string> };
    return doubts.length > 0 ? { ...rendered, doubts } : rendered;
  }

  /** Ends the thread; renderings under way are rejected. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    const ended = this.#discardWorker();
    for (const job of this.#jobs) job.refuse(new RendererClosed());
    this.#jobs.clear();
    await ended;
  }

  #add(job: Job): void {
    this.#jobs.add(job);
    if (this.#worker) this.#post(job);
    else this.#startWorker();
  }

  #startWorker(): void {
    const worker = new Worker(new URL("./render_worker.ts", import.meta.url), {
      workerData: this.#limits,
      // nothing of ours is in there, even for a template that got out
      env: {},
      argv: [],
      execArgv: ["--disable-warning=ExperimentalWarning"],
      resourceLimits: { stackSizeMb: 8, maxOldGenerationSizeMb: 256 },
      stderr: true,
      stdout: true,
    });
    this.#worker = worker;
    this.#warm = false;
    worker.on("message", (answer: FromWorker) => {
      if (worker !== this.#worker) return;
      if (answer === "ready") this.#startWatch();
      else this.#answered(answer);
    });
    worker.once("error", (error) => {
      if (worker !== this.#worker) return;
      this.#discardWorker();
      this.#answered({ error: `stopped: the sandbox failed (${error.message})`, broken: true });
    });
    for (const job of this.#jobs) this.#post(job);
  }

  #post(job: Job): void {
    const { contentId, names, details } = job;
    const work = { contentId, names: [...names], details };
    this.#worker?.ref();
    this.#send(this.#known.get(contentId) ? work : { ...work, templates: { ...job.templates } });
    this.#known.set(contentId, true);
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #answered(answer: Answer): void {
    const [job] = this.#jobs;
    if (!job) return;
    this.#warm = true;
    if ("error" in answer && answer.broken) {
      this.#discardWorker();
      if (!job.repeated) {
        job.repeated = true;
        this.#startWorker();
        return;
      }
    }
    this.#jobs.delete(job);
    job.settle(answer);
    if (this.#jobs.size === 0) this.#worker?.unref();
    else if (!this.#worker) this.#startWorker();
  }

  #discardWorker(): Promise<unknown> | undefined {
    clearInterval(this.#watch);
    const ended = this.#worker?.terminate();
    this.#worker = undefined;
    this.#known.clear();
    this.#seen = undefined;
    return ended;
  }

  #startWatch(): void {
    const { watchMs } = this.#limits;
    let lookedAt = performance.now();
    this.#watch = setInterval(() => {
      const [first] = this.#jobs;
      const late = performance.now() - lookedAt > 2 * watchMs;
      lookedAt = performance.now();
      if (!first || first !== this.#seen) {
        this.#seen = first;
        this.#looks = 0;
        this.#usedBefore = usedByOthersMs();
        return;
      }
      // a machine on which our own timer is late is busy: the thread may not have had its turn either
      if (late) return;
      this.#looks++;
      const used = usedByOthersMs() - this.#usedBefore;
      if (this.#looks < mostLooks && (!this.#warm || used < 0.8 * watchMs)) return;
      // it takes the thread with it; the others go on in a new one
      this.#discardWorker();
      this.#answered({
        error: `stopped: did not answer within ${this.#looks < mostLooks ? watchMs : watchMs * mostLooks} ms`,
      });
    }, watchMs);
    this.#watch.unref();
  }
}
