import { holdReasons } from "../text/hold_reasons.ts";

const words = new Map<string, string>(
  Object.entries({
    // the column that an explanation in SQL names is a link here
    ...Object.fromEntries(
      Object.entries(holdReasons).map(([name, text]) => [name, text.replace(/ \(\w+_id\)$/, "")]),
    ),
    // what became of a report, as the table reported calls it
    same: "all of it is held",
    lower: "nothing qualifies",
  }),
);

/** What the database calls a reason or an outcome, as a person says it; undefined where it is neither. */
export const inWords = (name: string): string | undefined => words.get(name);

/** A value that people choose among: in words, and as the database calls it. */
export const valueInWords = (value: string): string => {
  const text = inWords(value);
  return text === undefined ? value : `${text} (${value})`;
};
