/** The folder with the rule content to try things with; a file of its own, since tests need no more of dev/. */
export const sampleContent = new URL("../../samples/content", import.meta.url).pathname;
