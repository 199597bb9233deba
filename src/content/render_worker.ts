import { parentPort, workerData } from "node:worker_threads";
import variant from "@jitl/quickjs-wasmfile-release-sync";
import { newQuickJSWASMModuleFromVariant } from "quickjs-emscripten-core";
import { messageOf } from "../errors.ts";
import type { RenderLimits } from "./render_limits.ts";
import { RenderingRealm } from "./rendering_realm.ts";

/** What the renderer sends: work, or the id of a content to forget. Templates come with the first work of a content. */
export type ToWorker =
  | {
      contentId: string;
      templates?: Record<string, string>;
      names: string[];
      details: string;
      timeMs: number;
    }
  | { forget: string };

/** The answers, in the order of the work. `stopped`: a limit was hit. `broken`: this thread is of no further use. */
export type FromWorker =
  | "ready"
  | { texts: Record<string, string> }
  | { error: string; stopped?: boolean; broken?: boolean };

const limits = workerData as RenderLimits;
// the package is CommonJS to the compiler and a module to Node; both agree on this
const quickjs = await newQuickJSWASMModuleFromVariant(Promise.resolve(variant));
const templates = new Map<string, Record<string, string>>();
const realms = new Map<string, RenderingRealm>();

parentPort?.on("message", (message: ToWorker) => {
  if ("forget" in message) {
    templates.delete(message.forget);
    drop(message.forget);
    return;
  }
  if (message.templates) templates.set(message.contentId, message.templates);
  let answer: Exclude<FromWorker, "ready">;
  try {
    answer = render(message);
  } catch (error) {
    answer = { error: `stopped: the sandbox failed (${messageOf(error)})`, stopped: true, broken: true };
  }
  parentPort?.postMessage(answer);
});

parentPort?.postMessage("ready" satisfies FromWorker);

function render(work: Exclude<ToWorker, { forget: string }>): Exclude<FromWorker, "ready"> {
  const { contentId, names, details, timeMs } = work;
  let realm = realms.get(contentId);
  if (!realm) {
    realm = new RenderingRealm(quickjs, templates.get(contentId) ?? {}, limits);
    realms.set(contentId, realm);
  }
  const { spent, ...answer } = realm.render(names, details, timeMs);
  if (spent) drop(contentId);
  return "error" in answer ? { ...answer, stopped: spent } : answer;
}

function drop(contentId: string): void {
  const realm = realms.get(contentId);
  realms.delete(contentId);
  realm?.dispose();
}
