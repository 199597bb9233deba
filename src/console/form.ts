import { asRefusal, codeOf, parameterOf } from "../db/errors.ts";
import { type Html, html } from "./html.ts";

/** What is wrong with what a person typed, and in which field, where that is known. */
export type Problem = { message: string; field?: string | undefined };

/** A value that was not taken, with the name under which it was given. */
export class RefusedValue extends Error {
  readonly code: string | undefined;
  readonly field: string | undefined;
  constructor(field: string | undefined, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.code = codeOf(cause);
    this.field = field;
  }
}

/**
 * Answers what `ask` answers, whose values are given in the order of these names.
 * @throws RefusedValue when one of them is not of its form: the database says which one by its number only
 */
export async function named<T>(names: readonly string[], ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const nth = parameterOf(error);
    throw nth === undefined ? error : new RefusedValue(names[nth - 1], error);
  }
}

const aNumber = "a whole number of at most 18 digits, such as 1001";
const aTime = "a time, such as 2026-12-24T08:00Z (UTC)";
/** What a field takes, whatever the type of the database behind it is called. */
const taken: Record<string, string> = {
  ...{ org: aNumber, org_id: aNumber, id: aNumber },
  ...{ from: aTime, to: aTime, until: aTime, at: aTime },
  for: "a length of time, such as 2 days",
};

/**
 * What the database refuses of what a person typed; undefined for any other error. A rule that concerns one
 * field is known by its SQLSTATE, unless the error names the column.
 */
export function problemOf(
  error: unknown,
  values: Record<string, string | undefined>,
  { rules = {}, columns = {} }: { rules?: Record<string, string>; columns?: Record<string, string> } = {},
): Problem | undefined {
  const refusal = asRefusal(error);
  if (refusal === undefined) return undefined;
  const code = codeOf(error) ?? "";
  const { field: given, column } = error as { field?: string; column?: string };
  const field = given ?? (column ? (columns[column] ?? column) : rules[code]);
  const isOfItsForm = !(code.startsWith("22") || code === "NTH03");
  const form = field === undefined ? undefined : taken[field];
  if (field === undefined || form === undefined || isOfItsForm) return { message: refusal.message, field };
  return { message: `"${values[field] ?? ""}" is not ${form}.`, field };
}

/** How much a field takes whose form becomes an address: a server reads no more than 16 KB of one. */
export const mostTyped = 600;

/** Where a field stands on the page. */
export type Place = { id: string; label: string };

/** The sentence over a form that was refused; it leads to the field. */
export function problemShown(problem: Problem, placeOf: (field: string) => Place | undefined): Html {
  const place = problem.field === undefined ? undefined : placeOf(problem.field);
  return html`<p id="problem" class="problem" role="alert">${place && html`<a href="#${place.id}">${place.label}</a>: `}${problem.message}</p>`;
}

/** What ties a field to the sentence about it. */
export const invalid = (problem: Problem | undefined, field: string): Html | "" =>
  problem?.field === field ? html` aria-invalid="true" aria-describedby="problem"` : "";
