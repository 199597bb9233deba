import type { AnyRow, Db } from "../db/rows.ts";
import type { Page } from "./layout.ts";
import type { Person } from "./person.ts";

/** What a page is asked, and how it asks the database: always with the rights of the person. */
export type Ask = {
  person: Person;
  csrf: string;
  path: string;
  query: Record<string, string | undefined>;
  params: Record<string, string>;
  /** the fields of a form; one that is given several times keeps all of its values */
  form: Record<string, string | string[] | undefined>;
  read<T>(work: (db: Db) => Promise<T>): Promise<T>;
  /** Does something and records it under the person's name; all of it or nothing. */
  act<T>(act: string, details: AnyRow, work: (db: Db) => Promise<T>): Promise<T>;
  /** Does something that is rolled back. */
  attempt<T>(work: (db: Db) => Promise<T>): Promise<T>;
};

/** Where a form leads when all went well; `done` is one of the notes of the console. */
export class Redirect {
  readonly to: string;
  constructor(to: string) {
    this.to = to;
  }
}

export type Handler = (ask: Ask) => Promise<Page | Redirect>;

/** There is nothing of this name. */
export class NotThere extends Error {}

/** Somebody else was quicker; what he did is shown. */
export class Overtaken extends Error {}

/** Tables and parts about the whole fleet: nothing in them belongs to one organization. */
const ofTheFleet = new Set(["storms", "partitions", "retention", "acts", "status", "stations", "doctor"]);

/**
 * Whether this table or part is for this person: who sees one organization only sees nothing of the fleet.
 */
export const isFor = (person: Person, part: string): boolean =>
  person.organization === undefined || !ofTheFleet.has(part);

/** @throws NotThere for what is about the whole fleet, to who sees one organization only */
export function requireFor(person: Person, part: string): void {
  if (!isFor(person, part))
    throw new NotThere("This page is about the whole fleet, and you see one organization only.");
}

/** One field of a form; undefined when it is empty. */
export function field(ask: Ask, name: string): string | undefined {
  const value = ask.form[name];
  const text = (Array.isArray(value) ? value[0] : value)?.trim();
  return text === "" ? undefined : text;
}

/**
 * What a form says to do.
 * @throws NotThere when it is none of these: what is not understood does nothing
 */
export function oneOf<Name extends string>(ask: Ask, names: readonly Name[]): Name {
  const what = field(ask, "do");
  const found = names.find((name) => name === what);
  if (found === undefined) throw new NotThere("There is nothing of this name to do.");
  return found;
}

/** All values of a field. */
export function fields(ask: Ask, name: string): string[] {
  const value = ask.form[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** What was done, by the words in the URL: a URL must not put words of its own into the page. */
export const notes: Record<string, string> = {
  silenced: "The silence is in force.",
  ended: "The silence has ended; what it held is decided on again.",
  acknowledged: "The rule is acknowledged.",
  unacknowledged: "The acknowledgement is taken back.",
  applied: "The policy is in force; clusters that it concerns are decided on again.",
  policy_ended: "The policy has ended; the wider one counts again.",
  redriven: "The messages are tried again.",
  replayed: "The period is sent again.",
  closed: "The circuit is closed.",
  retried: "The message is stored.",
};
