/** How a stream goes with the tokens above its own: its runtime's, and the one that its caller gave. */
import type { CancellationToken } from '../../protocol/token.js';

/** A child goes where its caller's token went. Its deadline is the caller's own. */
export function follow(token: CancellationToken, caller: CancellationToken): void {
  if (caller.cancelled) token.cancel(caller.reason);
  else if (caller.draining) token.drain(caller.reason, { deadlineMs: Infinity });
}

/** Calls `fn` once, when the first of them is cancelled; at once if one is. Returns the function that takes it back. */
export function onFirstStop(tokens: readonly CancellationToken[], fn: () => void): () => void {
  const unlinks: (() => void)[] = [];
  let told = false;
  const takeBack = (): void => {
    for (const unlink of unlinks.splice(0)) unlink();
  };
  for (const token of tokens) {
    const unlink = token.onStop(() => {
      if (told) return;
      told = true;
      takeBack();
      fn();
    });
    if (told) unlink();
    else unlinks.push(unlink);
  }
  return takeBack;
}
