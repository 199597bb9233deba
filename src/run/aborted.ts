/**
 * The result of this work, unless the signal is aborted before there is one: then it rejects with the
 * signal's reason at once, and nobody hears any more of what becomes of the work.
 */
export function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return Promise.race([work(), aborted(signal).then(() => Promise.reject(signal.reason))]);
}

/** Resolves once the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
