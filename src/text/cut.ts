const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
/**
 * A visible character made of more code units than this is decoration; cut through it rather than drop it.
 */
const longestGrapheme = 64;

/** Length in Unicode code points, which is what `varchar(n)` counts. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/**
 * The longest beginning of `text` with at most `limit` code points that does not end inside a visible
 * character (emoji sequences, letters with combining marks).
 */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  let end = 0;
  let count = 0;
  for (const character of text) {
    if (count++ === limit) break;
    end += character.length;
  }
  if (end >= text.length) return text;
  // Looking at a window keeps this cheap for texts of megabytes.
  const from = Math.max(0, end - 4 * longestGrapheme);
  const start =
    from + (graphemes.segment(text.slice(from, end + longestGrapheme)).containing(end - from)?.index ?? 0);
  return text.slice(0, end - start < longestGrapheme ? start : end);
}
