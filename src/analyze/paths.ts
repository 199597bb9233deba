/**
 * Whether a file is one of those that patterns stand for: `*` is any part of a name, `**` any part of a path.
 */
export function matcherOf(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  if (patterns.includes("**")) return () => true;
  const one = (pattern: string) =>
    pattern
      .split(/(\*+)/)
      .map((part) =>
        part === "*" ? "[^/]*" : part.startsWith("*") ? ".*" : part.replaceAll(/[\\^$.+?()[\]{}|]/g, "\\$&"),
      )
      .join("");
  const all = new RegExp(`^(?:${patterns.map(one).join("|")})$`, "s");
  return (path) => all.test(path);
}
