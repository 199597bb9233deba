import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { messageOf } from "../errors.ts";
import { release } from "../version.ts";

export { type Span, SpanKind } from "@opentelemetry/api";

const tracer = () => trace.getTracer("ccx-notifications", release);

/** Whether the variables OTEL_* ask for traces; the SDK is loaded only then. */
export const isTracingWanted = (env: NodeJS.ProcessEnv): boolean =>
  env.OTEL_SDK_DISABLED?.toLowerCase() !== "true" &&
  env.OTEL_TRACES_EXPORTER !== "none" &&
  ["OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].some(
    (name) => (env[name] ?? "") !== "",
  );

/** Whether spans go anywhere: without an SDK none is made, and a `traceparent` only passes through. */
let isOn = false;
export const isTracing = (): boolean => isOn;
export const tracingIs = (on: boolean): void => {
  isOn = on;
};

/** Version 00 of W3C Trace Context, and of later versions what they have in common with it. */
const form = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** The trace that a `traceparent` names; undefined for what is none. */
export function spanContextOf(traceparent: string | null | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = form.exec(traceparent ?? "") ?? [];
  if (!traceId || !spanId || !flags || traceparent?.startsWith("ff")) return undefined;
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(found) ? found : undefined;
}

/** The `traceparent` of a trace. */
export const traceparentOf = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-0${traceFlags & 1}`;

type HeaderValue = string | Buffer | undefined;

/** The `traceparent` among the headers of a Kafka message, if there is a valid one. */
export function incoming(
  headers: Readonly<Record<string, HeaderValue | HeaderValue[]>> | undefined,
): string | undefined {
  if (headers?.traceparent === undefined) return undefined;
  const [first] = [headers.traceparent].flat();
  const found = spanContextOf(first?.toString().trim());
  return found && traceparentOf(found);
}

const under = (traceparent: string | null | undefined): Context => {
  const parent = spanContextOf(traceparent);
  return parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
};

export type SpanOf = {
  kind?: SpanKind;
  attributes?: Attributes;
  /** `traceparent` of what it is a part of; a new trace begins without one */
  parent?: string | null | undefined;
  /** when it began, where that is past: milliseconds since 1970 */
  startTime?: number;
};

/** A span of one thing that travels; undefined while nobody traces. To be ended by `endSpan`. */
export function startSpan(
  name: string,
  { parent, kind = SpanKind.INTERNAL, ...more }: SpanOf,
): Span | undefined {
  return isOn ? tracer().startSpan(name, { kind, ...more }, under(parent)) : undefined;
}

/** Ends a span; with an error where it failed. */
export function endSpan(span: Span | undefined, error?: string): void {
  if (!span) return;
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  span.end();
}

/** What goes on from a span, or from what came in where nobody traces. */
export const onwards = (span: Span | undefined, came: string | null | undefined): string | undefined =>
  span ? traceparentOf(span.spanContext()) : (came ?? undefined);

/**
 * Calls `work` within a span of a batch, so that its log lines name it. A batch of a single thing is part of
 * the trace of that thing; one of several begins a trace that links to theirs.
 */
export async function inSpan<T>(
  name: string,
  about: { kind?: SpanKind; attributes?: Attributes; parents?: readonly (string | undefined)[] },
  work: () => Promise<T>,
): Promise<T> {
  if (!isOn) return work();
  const { parents = [], kind = SpanKind.INTERNAL, attributes = {} } = about;
  const known = parents.filter((parent) => parent !== undefined);
  const only = parents.length === 1 ? known[0] : undefined;
  const links = only
    ? []
    : known
        .map(spanContextOf)
        .filter((found) => found !== undefined)
        .map((found) => ({ context: found }));
  const started = tracer().startSpan(name, { kind, attributes, links }, under(only));
  return context.with(trace.setSpan(ROOT_CONTEXT, started), async () => {
    try {
      const result = await work();
      started.end();
      return result;
    } catch (error) {
      endSpan(started, messageOf(error));
      throw error;
    }
  });
}

/** What goes on from the span that this runs in, or from what came in where nobody traces. */
export const onwardsFromHere = (came: string | null | undefined): string | undefined =>
  onwards(trace.getSpan(context.active()), came);

/** The span that this runs in ends with an error, though nothing is thrown. */
export const failsHere = (message: string): void => {
  trace.getSpan(context.active())?.setStatus({ code: SpanStatusCode.ERROR, message });
};

/** What a log line names a trace by. */
export function traceIds(traceparent?: string | null): { trace_id?: string; span_id?: string } {
  const found = spanContextOf(traceparent);
  return found ? { trace_id: found.traceId, span_id: found.spanId } : {};
}

/** The same, of the span that this runs in. */
export function currentTraceIds(): { trace_id?: string; span_id?: string } {
  const found = trace.getSpan(context.active())?.spanContext();
  return found ? { trace_id: found.traceId, span_id: found.spanId } : {};
}
