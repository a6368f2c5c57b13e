/**
 * What happens when a consumer waits and there is no memory for what it waits for.
 *
 * Invariants:
 * 1. The consumer that has waited longest, and has nothing on its way, has precedence: while it is short of memory
 *    nobody else is granted any. What others have complete is evicted for it.
 * 2. When only consumers hold memory, it waits for them to release some; others that need less go on for most of it. A wait
 *    in which there never is more room than before for `timeoutMs` ends with `BudgetHeldByConsumer`.
 * 3. Whom others that wait lost something for goes before them until its own wait is over, and loses nothing to them: two
 *    that cannot both have what they collect would else fetch the same objects again and again. When it waits for something else
 *    than memory, and they are short, its consumer gets what there is.
 * 4. A stream that is stopped cannot fetch again what it gives up: it is taken from only when the next thing would be that error.
 * 5. So no combination of order, budget, loaders and direct calls waits for ever, or works for ever without handing anything out.
 */
import type { Arena } from '../../protocol/arena.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { formatBytes } from '../../protocol/sizes.js';
import { type Grants, lostNote } from './grants.js';
import type { Stream } from './stream.js';

export interface ReliefDeps {
  readonly arena: Arena;
  readonly grants: Grants;
  readonly timeoutMs: number;
  /** Calls back once, unless what it returns is called before. */
  readonly after: (ms: number, fn: () => void) => () => void;
  /** Time to look again. */
  readonly poke: () => void;
}

/** A stream that waits for consumers, since it was last granted anything, or there was more room than ever before. */
interface Hold {
  readonly stream: Stream;
  /** Its grants by then. */
  readonly grants: number;
  /** What was not in use when all was evicted that could be. */
  readonly freeBytes: number;
  /** Late in its wait nobody else is helped, so that what consumers release adds up. */
  firm: boolean;
  expired: boolean;
  cancel: () => void;
}

/** A stream that others were evicted for, until it has handed out more items than by then. */
interface Favour {
  readonly stream: Stream;
  readonly items: number;
}

/** The part of the wait, its last, in which others wait too. */
const FIRM_SHARE = 0.25;

export class Relief {
  readonly #deps: ReliefDeps;
  #hold: Hold | null = null;
  /** The first of them goes first. */
  #favours: Favour[] = [];

  constructor(deps: ReliefDeps) {
    this.#deps = deps;
  }

  /**
   * Looks for a stream whose consumer waits for memory, and finds it some. `idle` says that no job is out anywhere.
   * Returns true when granting may be tried again.
   */
  relieve(streams: Iterable<Stream>, idle: boolean): boolean {
    const { grants } = this.#deps;
    const turn = grants.turn;
    grants.turn = null;
    const waiting = this.#inOrder(streams);
    let starving: Stream | null = null;
    for (const stream of waiting) {
      // The turn of another one may have kept it from asking.
      if (grants.grantNext(stream)) return true;
      if (stream.blockedBytes === 0) continue;
      starving = stream;
      break;
    }
    if (starving === null) {
      this.#stopWaiting();
      // Those who were kept waiting by a turn that is over have not asked since.
      return turn !== null;
    }
    grants.turn = starving;
    // What others are helped to while it waits for consumers is not taken from them again.
    const held = this.#holdOf(starving)?.firm === false;
    if (!held && this.#evictBusy(streams, starving)) return true;
    // What is with workers, or has its memory and waits for one, gives memory back by itself.
    if (!idle || [...streams].some((other) => other.granted.length > 0)) {
      // Consumers have that time to release what is under way too.
      if (this.#hold?.firm === true) this.#beFirm(this.#hold);
      return false;
    }
    if (!held && this.#evictAll(streams, starving)) return true;
    if (!held && starving.handOutEarly()) return true;
    // What consumers hold may leave room enough, and yet no piece of it that is long enough.
    if (this.#deps.arena.widen(starving.blockedBytes)) return true;
    if (!held && starving.handOutPartial()) return true;
    if (!held && this.#handOutFavoured(starving)) return true;
    const hold = this.#waitForConsumers(starving);
    if (!hold.firm && this.#helpOthers(waiting, starving)) return true;
    if (!hold.expired) return false;
    this.forget(starving);
    if (!this.#evictStopped(streams)) starving.refuse(this.#heldByConsumers(starving));
    return true;
  }

  /** The stream is over. */
  forget(stream: Stream): void {
    if (this.#hold?.stream === stream) this.#stopWaiting();
    this.#favours = this.#favours.filter((favour) => favour.stream !== stream);
  }

  /** Who waits and has nothing on its way: those that others were evicted for, and then the one that has waited longest. */
  #inOrder(streams: Iterable<Stream>): Stream[] {
    const waiting = eldestFirst(streams);
    if (this.#favours.length === 0) return waiting;
    this.#favours = this.#favours.filter(
      ({ stream, items }) => stream.waitingSince !== null && stream.ledger.items === items,
    );
    return waiting.sort((a, b) => this.#rankOf(a) - this.#rankOf(b));
  }

  #rankOf(stream: Stream): number {
    const at = this.#favours.findIndex((favour) => favour.stream === stream);
    return at < 0 ? this.#favours.length : at;
  }

  #favour(stream: Stream): void {
    if (this.#rankOf(stream) === this.#favours.length)
      this.#favours.push({ stream, items: stream.ledger.items });
  }

  /** Takes what those have complete whose consumers are busy. */
  #evictBusy(streams: Iterable<Stream>, starving: Stream): boolean {
    for (const other of streams) {
      if (other !== starving && other.open && other.waitingSince === null && other.evict() > 0) return true;
    }
    return false;
  }

  /** Nobody came in all that time for what those have ready: it is left, as what a drain leaves is. */
  #evictStopped(streams: Iterable<Stream>): boolean {
    let freed = 0;
    for (const other of streams) if (!other.open) freed += other.evict();
    return freed > 0;
  }

  /** It goes before all others that are short: what the others have begun to collect is no reason to refuse it. */
  #evictAll(streams: Iterable<Stream>, starving: Stream): boolean {
    if (starving.evictOwn() > 0) return true;
    const rank = this.#rankOf(starving);
    for (const other of streams) {
      const isBehind = other !== starving && this.#rankOf(other) >= rank;
      if (!isBehind || !other.open || other.evict() === 0) continue;
      this.#favour(starving);
      return true;
    }
    return false;
  }

  /** Those before it are not short, so they wait for their plans: memory comes back by way of their consumers. */
  #handOutFavoured(starving: Stream): boolean {
    const before = this.#favours.slice(0, this.#rankOf(starving));
    return before.some(({ stream }) => stream.handOutPartial());
  }

  /** Lets those go on whose consumers wait too, and that need less. */
  #helpOthers(waiting: readonly Stream[], starving: Stream): boolean {
    const { grants } = this.#deps;
    for (const other of waiting) {
      if (other === starving) continue;
      grants.turn = null;
      const granted = grants.grantNext(other);
      grants.turn = starving;
      if (granted || (other.blockedBytes > 0 && other.handOutPartial())) return true;
    }
    return false;
  }

  #waitForConsumers(stream: Stream): Hold {
    const held = this.#holdOf(stream);
    if (held !== null) return held;
    this.#stopWaiting();
    const { timeoutMs, after, poke } = this.#deps;
    const { grants } = stream;
    const freeBytes = this.#freeBytes;
    const hold: Hold = { stream, grants, freeBytes, firm: false, expired: timeoutMs === 0, cancel: () => {} };
    this.#hold = hold;
    if (timeoutMs > 0) {
      hold.cancel = after(timeoutMs * (1 - FIRM_SHARE), () => {
        this.#beFirm(hold);
        poke();
      });
    }
    return hold;
  }

  #beFirm(hold: Hold): void {
    const { timeoutMs, after, poke } = this.#deps;
    hold.cancel();
    hold.firm = true;
    hold.expired = false;
    hold.cancel = after(timeoutMs * FIRM_SHARE, () => {
      hold.expired = true;
      poke();
    });
  }

  /** The stream's wait for consumers, unless it has come nearer to what it needs. */
  #holdOf(stream: Stream): Hold | null {
    const hold = this.#hold;
    if (hold?.stream !== stream || hold.grants !== stream.grants) return null;
    return this.#freeBytes <= hold.freeBytes ? hold : null;
  }

  get #freeBytes(): number {
    const { budgetBytes, usedBytes, chargedBytes } = this.#deps.arena.stats();
    return budgetBytes - usedBytes - chargedBytes;
  }

  #stopWaiting(): void {
    this.#hold?.cancel();
    this.#hold = null;
  }

  #heldByConsumers(stream: Stream): MillraceError {
    const { usedBytes, chargedBytes, quarantinedBytes, budgetBytes } = this.#deps.arena.stats();
    const heldBytes = usedBytes + chargedBytes - quarantinedBytes;
    return new MillraceError(
      ErrorCode.BudgetHeldByConsumer,
      `${formatBytes(stream.blockedBytes)} are needed for the next item, and ${formatBytes(heldBytes)} of the memory budget of ` +
        `${formatBytes(budgetBytes)}${lostNote(quarantinedBytes)} are held by batches and results that were handed out and not released. Release them before ` +
        'asking for more, or raise memoryBudget',
      { phase: 'grant' },
    );
  }
}

/** Streams whose consumers wait and that have nothing on their way; none unless one of them is short of memory. */
function eldestFirst(streams: Iterable<Stream>): Stream[] {
  const waiting: Stream[] = [];
  let short = false;
  for (const stream of streams) {
    if (!stream.open || stream.waitingSince === null) continue;
    if (stream.jobsOut > 0 || stream.granted.length > 0) continue;
    waiting.push(stream);
    short ||= stream.blockedBytes > 0;
  }
  if (!short) return [];
  return waiting.sort((a, b) => a.waitingSince! - b.waitingSince! || a.id - b.id);
}
