const running = new Map<string, { again: boolean }>();

/**
 * Runs `work` unless this process is running work of that name already; then that one starts over when it is
 * done.
 *
 * Wake-ups come in while a task is running, and each may be handed to another worker of the process. Without
 * this, copies of the slowest task (a receiver that hangs) took all workers, and nothing was decided any
 * more.
 */
export async function oneAtATime(name: string, work: () => Promise<void>): Promise<void> {
  const other = running.get(name);
  if (other) {
    other.again = true;
    return;
  }
  const mine = { again: false };
  running.set(name, mine);
  try {
    do {
      mine.again = false;
      await work();
    } while (mine.again);
  } finally {
    running.delete(name);
  }
}
