/** Timers that are to measure how long others had, not how long this thread was away. */
import type { SupervisorContext } from '../../protocol/context.js';

/** A timer that comes so much later than it was to: the process slept, or a turn of the service was long. */
export const LATE_MS = 500;

/** As `after` of the context; but when it comes late, others may have had no time either, or their word waits unread: it begins anew. */
export function afterRunning(
  context: Pick<SupervisorContext, 'now' | 'after'>,
  ms: number,
  fn: () => void,
): () => void {
  let cancel = (): void => {};
  const begin = (): void => {
    const due = context.now() + ms;
    cancel = context.after(ms, () => (context.now() - due > LATE_MS ? begin() : fn()));
  };
  begin();
  return () => cancel();
}
