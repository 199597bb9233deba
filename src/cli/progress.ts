const barLength = 20;

/** A share of 1 as a bar. */
export function bar(share: number): string {
  const full = Math.round(barLength * Math.min(1, Math.max(0, share)));
  return `[${"#".repeat(full)}${" ".repeat(barLength - full)}]`;
}

/** Where it is shown: a terminal, in which a line is written over. */
export type Screen = { isTTY?: boolean; write(text: string): unknown };

const showEveryMs = 500;

/**
 * Shows a person, and nobody else, that work goes on: at which station it is, since when, and how much that
 * is of what was expected. One statement says nothing of itself until it ends, so this is the time, not the
 * work.
 */
export class Progress implements Disposable {
  readonly #screen: Screen;
  readonly #seconds: number | undefined;
  readonly #began = Date.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #station = "";

  /** @param seconds how long all of it will take, about; undefined: that is not known */
  constructor(seconds: number | undefined, screen: Screen = process.stderr) {
    this.#seconds = seconds;
    this.#screen = screen;
    if (screen.isTTY) this.#timer = setInterval(() => this.#show(), showEveryMs).unref();
  }

  /** From here on this is what is done. */
  at(station: string): void {
    this.#station = station;
    if (this.#timer) this.#show();
  }

  #show(): void {
    const elapsed = Math.floor((Date.now() - this.#began) / 1000);
    const known = this.#seconds;
    const share = known === undefined ? "" : `${bar(elapsed / Math.max(1, known))} `;
    const most =
      known === undefined
        ? ""
        : elapsed > known
          ? ", longer than expected"
          : ` of about ${Math.ceil(known)} s`;
    this.#screen.write(`\r\u001b[K${share}${elapsed} s${most}: ${this.#station}`);
  }

  [Symbol.dispose](): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#screen.write("\r\u001b[K");
  }
}
