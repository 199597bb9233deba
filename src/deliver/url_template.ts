/**
 * One value, unable to leave its place in a URL or in a Markdown link. Names of rules come out unchanged:
 * the receivers know their URLs with a readable `|`.
 */
function encodePart(value: string): string {
  // A part that is nothing but dots would climb in the path, percent-encoded or not.
  if (/^\.{1,2}$/.test(value)) return value.replaceAll(".", "_");
  return encodeURIComponent(value.toWellFormed())
    .replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%7C", "|");
}

/**
 * Fills every `{cluster_id}`, `{module}` and `{error_key}` of a configured URL template. Values are encoded
 * one by one; other text of the template is kept as configured, unknown placeholders included.
 */
export function fillUrl(
  template: string,
  values: { cluster_id: string; module?: string; error_key?: string },
): string {
  return template.replaceAll(
    /\{(cluster_id|module|error_key)\}/g,
    (placeholder, name: keyof typeof values) => {
      const value = values[name];
      return value === undefined ? placeholder : encodePart(value);
    },
  );
}
