import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  ParentBasedSampler,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { addToLines, type Logger } from "../log.ts";
import { release } from "../version.ts";
import { currentTraceIds, tracingIs } from "./trace.ts";

/** How long the last spans may take to go out when the process ends. */
const flushWithinMs = 1_000;

/**
 * Has spans made from now on, and handed to these processors; log lines name the span that they belong to.
 * Returns what ends it.
 */
function startTracing(processors: SpanProcessor[], sampler?: Sampler): { stop(): Promise<void> } {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": "ccx-notifications", "service.version": release }))
    .merge(detectResources({ detectors: [envDetector] }));
  const provider = new TracerProvider({
    resource,
    spanProcessors: processors,
    ...(sampler && { sampler }),
  });
  const manager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(manager);
  trace.setGlobalTracerProvider(provider);
  tracingIs(true);
  addToLines(currentTraceIds);
  return {
    async stop() {
      tracingIs(false);
      addToLines(undefined);
      const late = AbortSignal.timeout(flushWithinMs);
      await Promise.race([
        provider.shutdown().catch(() => undefined),
        new Promise((resolve) => late.addEventListener("abort", resolve)),
      ]);
      trace.disable();
      context.disable();
    },
  };
}

/**
 * The sampler that OTEL_TRACES_SAMPLER names; undefined: the default, which follows whoever began the trace.
 */
function samplerOf(env: NodeJS.ProcessEnv, log: Logger): Sampler | undefined {
  const { OTEL_TRACES_SAMPLER: name = "" } = env;
  const roots: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratioOf(env, log)),
  };
  const root = roots[name.replace(/^parentbased_/, "")]?.();
  if (!root && name !== "")
    log.warn({ name }, "OTEL_TRACES_SAMPLER names no sampler, the default one is used");
  return root && name.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

/** The share of traces that is kept; all where no share is named: the SDK would keep none. */
function ratioOf({ OTEL_TRACES_SAMPLER_ARG: text = "" }: NodeJS.ProcessEnv, log: Logger): number {
  if (text.trim() === "") return 1;
  const ratio = Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  log.warn({ text }, "OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1, all traces are kept");
  return 1;
}

/** Tracing as the variables OTEL_* say; the exporter reads its own (endpoint, headers, timeout). */
export function startTracingBy(env: NodeJS.ProcessEnv, log: Logger): { stop(): Promise<void> } {
  const exporter = env.OTEL_TRACES_EXPORTER ?? "otlp";
  const processor =
    exporter === "console"
      ? new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() })
      : new BatchSpanProcessor({ exporter: new OTLPTraceExporter() });
  log.info({ exporter }, "traces are sent");
  return startTracing([processor], samplerOf(env, log));
}
