/** How a stream's token goes with the token that its caller gave. */
import type { CancellationToken } from '../../protocol/token.js';

/** A child goes where its caller's token went. Its deadline is the caller's own. */
export function follow(token: CancellationToken, caller: CancellationToken): void {
  if (caller.cancelled) token.cancel(caller.reason);
  else if (caller.draining) token.drain(caller.reason, { deadlineMs: Infinity });
}
