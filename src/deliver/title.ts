import { escapeValue, type Format } from "../content/render/escape.ts";
import { cleanText } from "../text/clean.ts";
import type { RenderedIssue } from "./claimed.ts";

/** The component without its trailing `.report`: the name of the rule's module. */
export function moduleOf(component: string): string {
  return component.replace(/\.report$/, "");
}

/**
 * What to call an issue, on one line; receivers require some text, so the rule's own name stands in for a
 * missing one, escaped as any other value.
 */
export function titleOf(issue: RenderedIssue, format: Format): string {
  const text = cleanText(issue.description).replaceAll(/\s*[\n\r\u2028\u2029]\s*/g, " ");
  if (text.trim() !== "") return text;
  const names = [moduleOf(issue.component), issue.error_key];
  return names.map((name) => escapeValue(cleanText(name), format)).join("|");
}
