/*
 * Own code, as escape.ts: both only ask what is code, and fences of lists and quotations count to the end of
 * the text.
 */

/** In a list or a quotation, too. */
const fenceLine = /^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(`{3,}|~{3,})(.*)$/;

/** The fence that is open after a line of Markdown, as it was opened, given the one open before it. */
export function fenceAfter(line: string, open: string | undefined): string | undefined {
  const [, fence, info = ""] = fenceLine.exec(line.replace(/\r$/, "")) ?? [];
  if (fence === undefined) return open;
  if (open === undefined) return fence.startsWith("`") && info.includes("`") ? undefined : fence;
  return fence.startsWith(open) && info.trim() === "" ? undefined : open;
}

/**
 * The fence of the code block that a text ends within; undefined when it does not. Unless closed, it goes on.
 */
export function openFence(text: string): string | undefined {
  let open: string | undefined;
  for (const line of text.split("\n")) open = fenceAfter(line, open);
  return open;
}
