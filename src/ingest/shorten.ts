/** What SQL store_reports() leaves out of a report anyway: half of a usual message. */
export const leftOut = new Set(["system", "fingerprints", "skips", "info", "pass", "analysis_metadata"]);

/** A member of an object: its key as written between the quotes, and where it and its value are in the text. */
type Member = { key: string; start: number; value: number; end: number };

/**
 * Cuts the members of `Report` that are not stored out of a message, so that PostgreSQL need not read them (half of what a
 * batch took it). The rest stays as it was written, numbers to the digit. A key that is written with escapes is left where it
 * is: SQL looks for it, too.
 * @param json a JSON text that has been parsed before, of an object
 */
export function shortened(json: string): string {
  let text = "";
  let copied = 0;
  for (const { key, value, end } of membersOf(json, json.indexOf("{"))) {
    if (key !== "Report" || json[value] !== "{") continue;
    const kept = membersOf(json, value).filter((member) => !leftOut.has(member.key));
    const members = kept.map((member) => json.slice(member.start, member.end));
    text += `${json.slice(copied, value)}{${members.join(",")}}`;
    copied = end;
  }
  if (copied === 0) return json;
  // a copy: what is cut out of a string keeps all of it in memory, and a portion of messages may have been half a gigabyte
  return Buffer.from(text + json.slice(copied)).toString();
}

/** The members of the object that begins at `open`. */
function membersOf(json: string, open: number): Member[] {
  const members: Member[] = [];
  for (let i = skipBlanks(json, open + 1); json[i] === '"'; i = skipBlanks(json, i + 1)) {
    const start = i;
    const keyEnd = endOfString(json, start);
    const value = skipBlanks(json, json.indexOf(":", keyEnd) + 1);
    const end = endOfValue(json, value);
    members.push({ key: json.slice(start + 1, keyEnd - 1), start, value, end });
    i = skipBlanks(json, end);
    if (json[i] !== ",") break;
  }
  return members;
}

function skipBlanks(json: string, from: number): number {
  let i = from;
  while (json[i] === " " || json[i] === "\n" || json[i] === "\r" || json[i] === "\t") i++;
  return i;
}

/** Behind the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  for (let i = json.indexOf('"', start + 1); i > 0; i = json.indexOf('"', i + 1)) {
    let backslashes = 0;
    while (json[i - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return i + 1;
  }
  return json.length;
}

/** Behind the value that begins at `start`. */
function endOfValue(json: string, start: number): number {
  const first = json[start];
  if (first === '"') return endOfString(json, start);
  if (first !== "{" && first !== "[") {
    const scalar = /[^,\]} \n\r\t]*/y;
    scalar.lastIndex = start;
    scalar.test(json);
    return scalar.lastIndex;
  }
  const mark = /["{}[\]]/g;
  mark.lastIndex = start + 1;
  for (let depth = 1; depth > 0; ) {
    const at = mark.exec(json)?.index ?? json.length;
    const found = json[at];
    if (found === '"') mark.lastIndex = endOfString(json, at);
    else if (found === "{" || found === "[") depth++;
    else depth--;
  }
  return mark.lastIndex;
}
