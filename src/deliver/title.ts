import { cleanText } from "../text/clean.ts";
import type { RenderedIssue } from "./claimed.ts";

/** The component without its trailing `.report`: the name of the rule's module. */
export function moduleOf(component: string): string {
  return component.replace(/\.report$/, "");
}

/** What to call an issue; receivers require some text, so the rule's own name stands in for a missing one. */
export function titleOf(issue: RenderedIssue): string {
  const text = cleanText(issue.description);
  return text.trim() === "" ? cleanText(`${moduleOf(issue.component)}|${issue.error_key}`) : text;
}
