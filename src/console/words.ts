import { holdReasons } from "../text/hold_reasons.ts";

/** What became of a report, as the table reported calls it. */
const outcomesInWords: Record<string, string> = {
  same: "all of it is held",
  lower: "nothing qualifies",
};

/** What the database calls a reason or an outcome, as a person says it; undefined where it is neither. */
export const inWords = (name: string): string | undefined =>
  ({ ...holdReasons, ...outcomesInWords })[name as keyof typeof holdReasons];

/** A value that people choose among: in words, and as the database calls it. */
export const valueInWords = (value: string): string => {
  const words = inWords(value);
  return words === undefined ? value : `${words} (${value})`;
};
