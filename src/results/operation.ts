import { z } from "zod";
import type { Db } from "../db/rows.ts";
import * as shapes from "./shapes.ts";
import type { Body } from "./sql.ts";

/** For whom a request is. */
export type Caller = {
  orgId: string;
  userId: string;
  /** Whether the organization is on the list of those that see the vendor's own rules. */
  seesInternal: boolean;
};

/** What goes back; a body that is a text goes out as it is, as JSON. */
export type Reply = { status: number; body: unknown };

/** A request that an operation answers, checked. */
export type Asked<Params, Query, RequestBody> = {
  who: Caller;
  db: Db;
  params: Params;
  query: Query;
  body: RequestBody;
  userAgent: string;
};

/** The one who asks has to change something; the text goes out in the envelope. */
export class Refused extends Error {
  override name = "Refused";
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** What a part of a path may be called, and what it has to look like. */
export const pathParams = {
  cluster: shapes.cluster,
  clusters: shapes.clustersInPath,
  rule_id: shapes.rule,
  rule_selector: shapes.ruleAndKey,
  composite: shapes.ruleAndKey,
  error_key: shapes.errorKey,
  request_id: shapes.requestId,
  namespace: shapes.namespace,
  organization: shapes.organization,
  user_id: shapes.userId,
} as const;
export type ParamName = keyof typeof pathParams;

type NamesIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never;
type ParamsOf<Path extends string> = {
  [Name in NamesIn<Path> & ParamName]: z.output<(typeof pathParams)[Name]>;
};

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** One operation of the API: what it takes, what it may answer, and how. */
export type Operation = {
  id: string;
  method: Method;
  /** Below the prefix, as OpenAPI writes it. */
  path: string;
  summary: string;
  query: z.ZodObject;
  /** Undefined: it takes none. */
  body: z.ZodType | undefined;
  /** The body may be missing. */
  bodyIsOptional: boolean;
  /** Anybody may call it. */
  isOpen: boolean;
  /** What each status that is no error answers; undefined: no body. */
  answers: Readonly<Record<number, z.ZodType | undefined>>;
  /** Null: there is no such thing; `missing` says so. */
  answer(asked: Asked<never, never, never>): Promise<Reply | Body> | Reply | Body;
  missing(asked: Asked<Record<string, unknown>, unknown, unknown>): unknown;
};

type Definition<Path extends string, Query extends z.ZodObject, RequestBody extends z.ZodType> = {
  summary: string;
  query?: Query;
  body?: RequestBody;
  bodyIsOptional?: boolean;
  isOpen?: boolean;
  answers: z.ZodType | Operation["answers"];
  answer(
    asked: Asked<ParamsOf<Path>, z.output<Query>, z.output<RequestBody>>,
  ): Promise<Reply | Body> | Reply | Body;
  missing?(asked: Asked<ParamsOf<Path>, z.output<Query>, z.output<RequestBody>>): unknown;
};

const noQuery = z.strictObject({});

/** Defines an operation; `id` is its name in OpenAPI, in metrics and in the log. */
export function operation<
  const Path extends string,
  Query extends z.ZodObject = typeof noQuery,
  RequestBody extends z.ZodType = z.ZodUndefined,
>(id: string, method: Method, path: Path, definition: Definition<Path, Query, RequestBody>): Operation {
  const { answers, query, body, ...rest } = definition;
  return {
    isOpen: false,
    bodyIsOptional: false,
    missing: ({ params }: { params: Record<string, unknown> }) => ({
      status: `Item with ID ${Object.values(params).map(String).join("/")} was not found in the storage`,
    }),
    ...rest,
    id,
    method,
    path,
    query: query ?? noQuery,
    body,
    answers: answers instanceof z.ZodType ? { 200: answers } : answers,
  } as Operation;
}

/** The parts of a path that are parameters, in their order. */
export const namesIn = (path: string): ParamName[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as ParamName);
