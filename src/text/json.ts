/** What a double may not hold: 16 digits or more in a row, point and exponent included. */
const longNumber = /\d[\d.]{15}|\d[eE]/;

/**
 * The value of a JSON text. A number that a double would write otherwise and that is beyond 2^53 or has more
 * digits than a double keeps is a text of its digits: customers look for an id as it stands in the report.
 * Throws SyntaxError for what is not JSON.
 */
export function parseJson(json: string): unknown {
  if (!longNumber.test(json)) return JSON.parse(json);
  const keepDigits = (_key: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined || String(value) === source) return value;
    return isLossy(value, source) ? source : value;
  };
  try {
    return JSON.parse(json, keepDigits);
  } catch (error) {
    // nested too deeply to be looked through
    if (error instanceof RangeError) return JSON.parse(json);
    throw error;
  }
}

/** 1.0 and 4.10 are numbers as any other, for templates calculate with them. */
function isLossy(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return true;
  if (Number.isInteger(value)) return !Number.isSafeInteger(value) || /\.\d*[1-9]/.test(source);
  return source.replace(/^-?[0.]*|\.|[eE].*$/g, "").replace(/0+$/, "").length > 17;
}
