import { parentPort, workerData } from "node:worker_threads";
import variant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSSyncVariant,
} from "quickjs-emscripten-core";
import { messageOf } from "../../errors.ts";
import { type RenderLimits, stopsUntilDistrust } from "./render_limits.ts";
import { RenderingRealm, type Texts } from "./rendering_realm.ts";

/**
 * What the renderer sends: work, or the id of a content to forget. Templates come with the first work of a
 * content.
 */
export type ToWorker =
  | { contentId: string; templates?: Record<string, string>; names: string[]; details: string }
  | { forget: string };

/**
 * The answers, in the order of the work. `broken`: this thread is of no further use, which need not be the
 * fault of the rendering that met it.
 */
export type FromWorker = "ready" | Texts | { error: string; broken?: boolean };

/** All we need of it; the types of Node do not have it. */
declare const WebAssembly: { Memory: new (pages: { initial: number; maximum: number }) => object };

const limits = workerData as RenderLimits;
const pages = (bytes: number) => Math.ceil(bytes / 65_536);
// the interpreter asks for no less to begin with
const leastMemory = pages(16 * 1024 * 1024);
const wasmMemory = new WebAssembly.Memory({
  initial: leastMemory,
  maximum: Math.max(leastMemory, pages(limits.memoryBytes)),
});
const quickjs = await newQuickJSWASMModuleFromVariant(
  // the package is CommonJS to the compiler and a module to Node
  newVariant(variant as unknown as QuickJSSyncVariant, { wasmMemory }),
);
const templates = new Map<string, Record<string, string>>();
const realms = new Map<string, RenderingRealm>();
/** How many times in a row a content was stopped. */
const stops = new Map<string, number>();

parentPort?.on("message", (message: ToWorker) => {
  if ("forget" in message) {
    templates.delete(message.forget);
    stops.delete(message.forget);
    drop(message.forget);
    return;
  }
  if (message.templates) templates.set(message.contentId, message.templates);
  let answer: Exclude<FromWorker, "ready">;
  try {
    answer = render(message);
  } catch (error) {
    answer = { error: `stopped: the sandbox failed (${messageOf(error)})`, broken: true };
  }
  parentPort?.postMessage(answer);
});

parentPort?.postMessage("ready" satisfies FromWorker);

function render(work: Exclude<ToWorker, { forget: string }>): Exclude<FromWorker, "ready"> {
  const { contentId, names, details } = work;
  const stopped = stops.get(contentId) ?? 0;
  const timeMs = stopped < stopsUntilDistrust ? limits.timeMs : limits.timeMs / 10;
  let realm = realms.get(contentId);
  if (!realm) {
    realm = new RenderingRealm(quickjs, templates.get(contentId) ?? {}, limits);
    realms.set(contentId, realm);
  }
  const { spent, ...answer } = realm.render(names, details, timeMs);
  if (spent) drop(contentId);
  if (spent && "error" in answer) stops.set(contentId, stopped + 1);
  else stops.delete(contentId);
  return "error" in answer ? { ...answer, broken: /out of memory/.test(answer.error) } : answer;
}

function drop(contentId: string): void {
  const realm = realms.get(contentId);
  realms.delete(contentId);
  realm?.dispose();
}
