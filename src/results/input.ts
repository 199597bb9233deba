import type { z } from "zod";
import { namesIn, type Operation, pathParams, Refused } from "./operation.ts";

const longestShown = 255;

/** A value as an error names it. */
const shown = (value: string): string =>
  value.length > longestShown ? `${value.slice(0, longestShown)}...` : value;

const problemOf = (error: z.ZodError): string => error.issues[0]?.message ?? "it is wrong";

/** The parts of a path, each checked. Throws Refused (400). */
export function readParams(
  { path }: Operation,
  given: Readonly<Record<string, string>>,
): Record<string, unknown> {
  return Object.fromEntries(
    namesIn(path).map((name) => {
      const value = given[name] ?? "";
      const read = pathParams[name].safeParse(value);
      if (read.success) return [name, read.data];
      throw new Refused(400, problemOfParam(name, value, problemOf(read.error)));
    }),
  );
}

function problemOfParam(name: string, value: string, problem: string): string {
  if (name === "clusters" || problem.includes("out of range")) return problem;
  if (name === "composite")
    return problemOfParam(
      "rule_id",
      value,
      `Error during validating param 'rule' with value '${shown(value)}'. Error: '${problem}'`,
    );
  if (name === "rule_selector")
    problem = "Param rule_selector is not a valid rule selector (plugin_name|error_key)";
  return `Error during parsing param '${name}' with value '${shown(value)}'. Error: '${problem}'`;
}

/** The query of a URL. Throws Refused (400) for a key that is not known, or is there twice. */
export function readQuery({ query }: Operation, given: unknown): unknown {
  const read = query.safeParse(given);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new Refused(
    400,
    issue?.code === "unrecognized_keys"
      ? `Unknown query parameter '${shown(issue.keys[0] ?? "")}'`
      : `Error during parsing query parameter '${issue?.path.join(".")}'. Error: '${issue?.message}'`,
  );
}

const missingBody = "client didn't provide request body";
const wrongBody = "bad type in json data";

/** The body of a request. Throws Refused (400). */
export function readBody({ body, bodyIsOptional }: Operation, given: Buffer | undefined): unknown {
  const isEmpty = given === undefined || given.length === 0;
  if (body === undefined) {
    if (!isEmpty) throw new Refused(400, "this request takes no body");
    return undefined;
  }
  if (isEmpty) {
    if (bodyIsOptional) return undefined;
    throw new Refused(400, missingBody);
  }
  let json: unknown;
  try {
    json = JSON.parse(given.toString("utf8"));
  } catch {
    throw new Refused(400, "the body is not valid JSON");
  }
  const read = body.safeParse(json);
  if (read.success) return read.data;
  throw new Refused(400, problemOfBody(read.error, json));
}

function problemOfBody(error: z.ZodError, json: unknown): string {
  const issue = error.issues[0];
  if (issue === undefined || ["invalid_type", "invalid_union"].includes(issue.code)) return wrongBody;
  let value: unknown = json;
  for (const step of issue.path) value = (value as Record<PropertyKey, unknown> | null)?.[step];
  const name = issue.path.filter((step) => typeof step === "string").at(-1) ?? "body";
  return typeof value === "string"
    ? `Error during validating param '${String(name)}' with value '${shown(value)}'. Error: ` +
        `'${issue.message}'`
    : `Error during validating param '${String(name)}'. Error: '${issue.message}'`;
}
