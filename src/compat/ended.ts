/** The command cannot go on: what it says, and its exit code, which the incumbent documents. */
export class Ended extends Error {
  override name = "Ended";
  readonly code: number;

  constructor(code: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Does `work`; what goes wrong ends the command with this code, and a sentence in front of the reason. */
export async function endingWith<T>(code: number, what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Ended) throw error;
    throw new Ended(code, what, error);
  }
}
