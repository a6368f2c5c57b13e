/**
 * Credentials that are renewed: each resolution is a generation, numbered, so that whoever was refused with one can ask
 * for a later one.
 *
 * Invariants:
 * 1. Any number of callers that need the same generation wait for one resolution.
 * 2. A resolution that failed is forgotten: the next caller tries again.
 * 3. Nothing that has expired, or that is what was refused already, becomes a generation.
 * 4. A source that fails while it is asked early takes nothing away: what is held is given until it has expired.
 */
import type { MillraceError } from '../../protocol/errors.js';
import { REFRESH_AHEAD_MS } from '../../protocol/store.js';

/** What a source gives; `expiresAtMs` in ms since the epoch, null for what does not expire. */
export interface Resolved<C> {
  readonly credentials: C;
  readonly expiresAtMs: number | null;
}

export interface Generation<C> extends Resolved<C> {
  /** Grows with each resolution. */
  readonly number: number;
}

export interface GenerationSource<C> {
  /** Asks the source; `current` is what it gave last, or null. Bounded in time, and rejects with a `MillraceError`. */
  resolve(current: C | null): Promise<Resolved<C>>;
  readonly now: () => number;
  isSame(one: C, other: C): boolean;
  /** Why there is no later generation; `nowMs` where only this machine's clock says that the last one is over. */
  expired(nowMs: number | null): MillraceError;
}

/** The rest of a sentence about credentials that are over: no answer of the service has told its time yet. */
export function clockHint(nowMs: number | null): string {
  if (nowMs === null) return '';
  return `, or set this machine's clock, which may be ahead (it says ${new Date(nowMs).toISOString()})`;
}

export interface Generations<C> {
  /** A generation after `stale` (0 for any) that is not about to expire. */
  after(stale: number): Promise<Generation<C>>;
  forget(): void;
}

export function createGenerations<C>(source: GenerationSource<C>): Generations<C> {
  let current: Generation<C> | null = null;
  let pending: Promise<Generation<C>> | null = null;

  function adopt({ credentials, expiresAtMs }: Resolved<C>): Generation<C> {
    const now = source.now();
    const same = current !== null && source.isSame(current.credentials, credentials);
    // A caller asks for newer ones either early, before the expiry, or because the service refused these.
    const isOver = expiresAtMs !== null && expiresAtMs <= now;
    if (isOver || (same && expiresAtMs === null)) throw source.expired(isOver ? now : null);
    current = { number: (current?.number ?? 0) + 1, credentials, expiresAtMs };
    return current;
  }

  /** What is held and newer than `stale`, if it lives for more than so long. */
  function held(stale: number, aheadMs: number): Generation<C> | null {
    if (current === null || current.number <= stale) return null;
    return current.expiresAtMs === null || current.expiresAtMs - source.now() > aheadMs ? current : null;
  }

  return {
    async after(stale): Promise<Generation<C>> {
      // One that lives for less than that is still newer than what the caller has; asking again would give no more.
      const ready = held(stale, stale === 0 ? REFRESH_AHEAD_MS : 0);
      if (ready !== null) return ready;
      pending ??= source
        .resolve(current?.credentials ?? null)
        .then(adopt)
        .finally(() => {
          pending = null;
        });
      try {
        return await pending;
      } catch (thrown) {
        const kept = held(stale, 0);
        if (kept === null) throw thrown;
        return kept;
      }
    },
    forget(): void {
      current = null;
    },
  };
}
