/** What one rendering (all texts asked for, compilation included) may cost. */
export interface RenderLimits {
  /** Longest run, in milliseconds of the thread's processor time. */
  timeMs: number;
  /**
   * How often we look whether the sandbox still answers, in milliseconds: a loop inside a built-in function
   * cannot be interrupted, so a rendering that used this much of the processor between looks has its thread
   * ended; forty looks end it in any case.
   */
  watchMs: number;
  /**
   * Most memory of the sandbox, all compiled contents together, in bytes; 16 MiB at least. The interpreter's
   * own limit counts next to nothing in WebAssembly, so this is the size at which WebAssembly's memory stops
   * to grow.
   */
  memoryBytes: number;
  /** Stack of the interpreter, in bytes. */
  stackBytes: number;
  /**
   * Longest text that leaves the sandbox, in UTF-16 code units, before escaping and with a few for each
   * value; a longer one loses its end. Receivers take 4,000 characters at most.
   */
  textLength: number;
  /** Longest details, in code units of their JSON. */
  detailsLength: number;
  /** How many content versions stay compiled; each takes about 0.1 MB. */
  cachedContents: number;
}

/** A typical rendering takes 0.05 ms and a few kB: these are for accidents and malice. */
export const defaultRenderLimits: RenderLimits = {
  timeMs: 100,
  watchMs: 250,
  memoryBytes: 128 * 1024 * 1024,
  stackBytes: 256 * 1024,
  textLength: 64 * 1024,
  detailsLength: 1024 * 1024,
  cachedContents: 500,
};

/**
 * After so many stops in a row a content gets a tenth of the time, until it renders: it may be met by
 * thousands of clusters.
 */
export const stopsUntilDistrust = 3;
