/**
 * Rule content that cannot be used. The message is one line: the file or folder (relative to the
 * content folder, with `/`), and what is wrong with it.
 */
export class ContentError extends Error {
  override name = "ContentError";

  constructor(path: string, problem: string, options: { cause?: unknown } = {}) {
    // a folder name or a YAML message may hold line breaks; a log line may not
    super(`${path}: ${problem}`.replaceAll(/[\s\p{Cc}]+/gu, " ").trim(), options);
  }
}
