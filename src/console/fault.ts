import { gunzipSync } from "node:zlib";

/** What is larger was refused for its size, and is shown as it came. */
const mostBytes = 10 * 1024 * 1024;

/**
 * The bytes that the sentence of a refusal counts: inflated where they are gzip, without a byte order mark.
 */
export function plainOf(value: Buffer): Buffer {
  let bytes = value;
  if (value[0] === 0x1f && value[1] === 0x8b)
    try {
      bytes = gunzipSync(value, { maxOutputLength: mostBytes });
    } catch {
      return value;
    }
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/**
 * Where the sentence of a refusal says that the fault is: a byte from 0 on. It names the byte, a line and a
 * column, or the field that is wrong (`Report.reports[3].component has to be …`); undefined: no place.
 */
export function faultAt(bytes: Buffer, detail: string): number | undefined {
  const [, found] = /\bbyte (\d+)\b/i.exec(detail) ?? [];
  if (found !== undefined) return Number(found);
  if (/ends too early/.test(detail)) return bytes.length;
  const text = bytes.toString("utf8");
  const [, line, column] = /\bline (\d+),? column (\d+)\b/i.exec(detail) ?? [];
  if (line !== undefined) {
    const lines = text.split("\n");
    const before = lines.slice(0, Number(line) - 1).reduce((length, one) => length + one.length + 1, 0);
    return Buffer.byteLength(text.slice(0, before + Number(column) - 1));
  }
  const [, path] = /^([\w.[\]]+) (?:has to be|is more than) /.exec(detail) ?? [];
  const at = path === undefined ? undefined : placeOfMember(text, path);
  return at === undefined ? undefined : Buffer.byteLength(text.slice(0, at));
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Where the value of this member begins in JSON, as a path such as `Report.reports[3].component` names it.
 */
function placeOfMember(json: string, path: string): number | undefined {
  const wanted = path.replaceAll(/\[(\d+)\]/g, ".$1");
  const open: { isArray: boolean; key: string }[] = [];
  let found: number | undefined;
  let isKey = false;
  for (const { 0: text, index } of json.matchAll(token)) {
    const inner = open.at(-1);
    if (text === "}" || text === "]") open.pop();
    else if (text === ",") {
      if (inner?.isArray) inner.key = String(Number(inner.key) + 1);
      else isKey = true;
    } else if (text === ":") isKey = false;
    else if (isKey && inner) inner.key = keyOf(text);
    else {
      // of several members of a name the last one counts
      if (open.map(({ key }) => key).join(".") === wanted) found = index;
      if (text === "{" || text === "[") {
        open.push({ isArray: text === "[", key: "0" });
        isKey = text === "{";
      }
    }
  }
  return found;
}

function keyOf(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
