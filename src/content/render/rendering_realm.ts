import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type {
  QuickJSContext,
  QuickJSHandle,
  QuickJSRuntime,
  QuickJSWASMModule,
} from "quickjs-emscripten-core";
import type { RenderLimits } from "./render_limits.ts";

const realmSource = readFileSync(new URL("./render_realm.js", import.meta.url), "utf8");
const compilerSource = readFileSync(fileURLToPath(import.meta.resolve("dot/doT.js")), "utf8");

/** What a template may use; without these, there is less to keep it from. */
const intrinsics = {
  ...{ BaseObjects: true, Eval: true, Date: true, RegExp: true, RegExpCompiler: true },
  ...{ StringNormalize: true, JSON: true, MapSet: true, Promise: true },
};

/**
 * Processor time of this thread, in milliseconds: on a busy machine a good template waits for its turn. Node
 * before 23.9 does not know it, and the time that passes stands in. The renderer's watch bounds that, too.
 */
function usedMs(): number {
  if (typeof process.threadCpuUsage !== "function") return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The answer of a rendering; after `spent`, the realm has to be disposed of. */
export type RealmAnswer = (Texts | { error: string }) & { spent: boolean };

/** The texts, and by their names the values without a text: which tag of the template, and what it was. */
export type Texts = {
  texts: Record<string, string>;
  doubts: Record<string, { place: unknown; kind: unknown; example: unknown }[]>;
};

/**
 * The templates of one content version in an interpreter of their own: other versions have another heap and
 * other built-in objects. Their compiled form is kept, each template being compiled at its first use.
 */
export class RenderingRealm {
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;
  readonly #limits: RenderLimits;
  readonly #render: QuickJSHandle;
  #deadline = Infinity;

  /** Throws when not even this fits into the memory that is left. */
  constructor(quickjs: QuickJSWASMModule, templates: Record<string, string>, limits: RenderLimits) {
    this.#limits = limits;
    this.#runtime = quickjs.newRuntime({
      maxStackSizeBytes: limits.stackBytes,
      interruptHandler: () => usedMs() > this.#deadline,
    });
    this.#context = this.#runtime.newContext({ intrinsics });
    this.#render = this.#prepare(templates);
  }

  /**
   * Renders the templates called `names` with `details` (JSON) as `pydata`. Does not throw for what a
   * template does; what it throws is a fault of the interpreter, after which the whole WebAssembly instance
   * is not to be trusted.
   */
  render(names: string[], details: string, timeMs: number): RealmAnswer {
    this.#deadline = usedMs() + timeMs;
    using list = this.#context.newString(JSON.stringify(names));
    using data = this.#context.newString(details);
    const result = this.#context.callFunction(this.#render, this.#context.undefined, list, data);
    if (result.error) {
      using error = result.error;
      return { error: this.#stopped(error, timeMs), spent: true };
    }
    using value = result.value;
    const { texts, doubts, error, clean } = JSON.parse(this.#context.getString(value));
    // a job left behind would hold on to details
    const spent = !clean || this.#runtime.hasPendingJob();
    return error === undefined ? { texts, doubts, spent } : { error, spent };
  }

  dispose(): void {
    this.#render.dispose();
    this.#context.dispose();
    this.#runtime.dispose();
  }

  /** No template runs here yet, so there is no limit on time. */
  #prepare(templates: Record<string, string>): QuickJSHandle {
    const context = this.#context;
    const evaluated = (code: string, name: string) => context.unwrapResult(context.evalCode(code, name));
    using doT = evaluated(
      `(function(module){${compilerSource};return module.exports})({exports:{}})`,
      "doT.js",
    );
    using prepare = evaluated(realmSource, "render_realm.js");
    using given = evaluated(`(${JSON.stringify(templates)})`, "templates");
    using length = context.newNumber(this.#limits.textLength);
    return context.unwrapResult(context.callFunction(prepare, context.undefined, doT, given, length));
  }

  /**
   * Only what cannot be caught inside gets here: time is over, or there is no memory left even for an error.
   */
  #stopped(error: QuickJSHandle, timeMs: number): string {
    using message = this.#context.getProp(error, "message");
    const text = this.#context.getString(message);
    return text === "interrupted" ? `stopped: took longer than ${timeMs} ms` : `stopped: ${text}`;
  }
}
