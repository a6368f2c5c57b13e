/**
 * Spreads new connections over the addresses that a host name has. S3 answers with up to eight of many front ends, other
 * ones a few seconds later: who asks once, or always takes the first, leaves the rest of them idle.
 *
 * Invariants:
 * 1. One lookup of a host runs at a time, and all who need its answer wait for that one. A connection that ends waits no
 *    longer, so a slow resolver holds nothing of those that were given up.
 * 2. No address is used `MAX_AGE_MS` after the last answer that had it. Before that it is used without a wait, even while
 *    the resolver fails.
 * 3. `open` of an address is how many connections are on it or on their way to it, and zero when all of them have ended.
 * 4. An address that failed stands behind all others for a while, then one connection tries it; it is never left out
 *    altogether. What the system's own order says of the families (IPv6 or IPv4 first) holds among those that work.
 */
import { isIP } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import { MAX_ORIGINS } from './limits.js';

/** `dns.lookup` as it is used here; tests give their own. */
export type LookupAll = (
  host: string,
  options: { readonly all: true },
  found: (error: Error | null, addresses: readonly HostAddress[]) => void,
) => void;

export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

export interface AddressDeps {
  /** Monotonic time in ms. */
  now(): number;
  /** A number in [0, 1): where this thread begins, or all threads would begin with the same address. */
  random(): number;
  readonly lookup: LookupAll;
}

/**
 * How old an answer may be when a connection is opened before the host is looked up again, beside that connection. The system's
 * resolver does not tell for how long an answer holds; S3's holds for seconds, and one lookup in so many costs nothing.
 */
export const REFRESH_MS = 5_000;
/**
 * For how long an address that the answers no longer have is still used. The JVM keeps answers for so long; it covers a short
 * failure of the resolver, and a server that is taken out of the name is left alone soon after.
 */
export const MAX_AGE_MS = 30_000;
/** First time for which an address that failed stands behind; it doubles with each further failure, up to the longest. */
export const BEHIND_MS = 2_000;
export const MAX_BEHIND_MS = 60_000;
/** Addresses that one connection tries in turn: two dead ones in a row are not unheard of, three are an outage. */
const MAX_TRIED = 3;
/** Addresses that are remembered of one host; the oldest answers are forgotten first. */
const MAX_ADDRESSES = 64;

/** One address of a host. */
interface Address extends HostAddress {
  seenMs: number;
  open: number;
  /** In a row, without a connection that came about. */
  failures: number;
  behindUntilMs: number;
}

/** What is known of one host. */
interface Host {
  addresses: Address[];
  /** Which family the system puts first. */
  family: number;
  askedMs: number;
  asking: boolean;
  error: Error | null;
  readonly waiting: Set<Visit>;
}

export class AddressBook {
  private readonly hosts = new Map<string, Host>();

  constructor(private readonly deps: AddressDeps) {}

  /** A connection to `host` is opened; null where there is nothing to choose: an address, or this machine by its name. */
  visit(host: string): Visit | null {
    if (isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost')) return null;
    return new Visit(this, host);
  }

  /** Gives the visit its addresses in a later turn: now or, where none is known, when the lookup has ended. */
  find(visit: Visit): void {
    const host = this.hostOf(visit.host);
    const nowMs = this.deps.now();
    host.addresses = host.addresses.filter(({ seenMs }) => nowMs - seenMs < MAX_AGE_MS);
    host.waiting.add(visit);
    const known = host.addresses.length > 0;
    if (!host.asking && (!known || nowMs - host.askedMs >= REFRESH_MS)) this.ask(visit.host, host);
    // Not in this turn: the socket that asks is still being made.
    if (known) process.nextTick(() => this.serve(host));
  }

  leave(visit: Visit): void {
    this.hosts.get(visit.host)?.waiting.delete(visit);
  }

  putBehind(address: Address): void {
    address.failures += 1;
    address.behindUntilMs = this.deps.now() + behindMs(address.failures);
  }

  private ask(name: string, host: Host): void {
    host.asking = true;
    host.askedMs = this.deps.now();
    // Wait ends: the system's resolver gives up by itself, and a connection that waits has its own time-out.
    this.deps.lookup(name, { all: true }, (error, found) => {
      host.asking = false;
      host.error = error ?? (found.length === 0 ? new Error(`getaddrinfo gave no address of ${name}`) : null);
      if (host.error === null) this.learn(host, found);
      process.nextTick(() => this.serve(host));
    });
  }

  private learn(host: Host, found: readonly HostAddress[]): void {
    const seenMs = this.deps.now();
    host.family = found[0]!.family;
    for (const { address, family } of found) {
      const known = host.addresses.find((each) => each.address === address);
      if (known !== undefined) known.seenMs = seenMs;
      else host.addresses.push({ address, family, seenMs, open: 0, failures: 0, behindUntilMs: 0 });
    }
    if (host.addresses.length <= MAX_ADDRESSES) return;
    host.addresses.sort((a, b) => b.seenMs - a.seenMs);
    host.addresses.length = MAX_ADDRESSES;
  }

  private serve(host: Host): void {
    const nowMs = this.deps.now();
    for (const visit of host.waiting) {
      host.waiting.delete(visit);
      if (host.addresses.length === 0) visit.found(host.error, []);
      else visit.found(null, this.choose(host, nowMs));
    }
  }

  private choose(host: Host, nowMs: number): Address[] {
    const from = Math.floor(this.deps.random() * host.addresses.length);
    const turned = [...host.addresses.slice(from), ...host.addresses.slice(0, from)];
    const chosen = turned.sort((a, b) => compare(a, b, nowMs, host.family)).slice(0, MAX_TRIED);
    const first = chosen[0]!;
    // Until this one has come about, no other connection begins with an address that failed before.
    if (first.failures > 0) first.behindUntilMs = nowMs + behindMs(first.failures);
    return chosen;
  }

  private hostOf(name: string): Host {
    let host = this.hosts.get(name);
    if (host !== undefined) return host;
    if (this.hosts.size >= MAX_ORIGINS) {
      // The one that was met first and that nobody waits for.
      for (const [other, { waiting }] of this.hosts) {
        if (waiting.size > 0) continue;
        this.hosts.delete(other);
        break;
      }
    }
    host = { addresses: [], family: 0, askedMs: 0, asking: false, error: null, waiting: new Set() };
    this.hosts.set(name, host);
    return host;
  }
}

/** Which address a new connection takes rather; 0 leaves it to chance. */
function compare(a: Address, b: Address, nowMs: number, family: number): number {
  const behind = Math.max(0, a.behindUntilMs - nowMs) - Math.max(0, b.behindUntilMs - nowMs);
  if (behind !== 0) return behind;
  const foreign = Number(a.family !== family) - Number(b.family !== family);
  return foreign !== 0 ? foreign : a.open - b.open;
}

function behindMs(failures: number): number {
  return Math.min(MAX_BEHIND_MS, BEHIND_MS * 2 ** Math.min(failures - 1, 16));
}

/** One connection's way to an address, and its stay there. */
export class Visit {
  private at: Address | null = null;
  private addresses: readonly Address[] = [];
  private blamed = false;
  private over = false;
  private answer: Parameters<LookupFunction>[2] | null = null;

  constructor(
    private readonly book: AddressBook,
    readonly host: string,
  ) {}

  /** For `net.connect`, which is to ask for all addresses at once. */
  readonly lookup: LookupFunction = (_host, _options, answer) => {
    this.answer = answer;
    this.book.find(this);
  };

  /** To be called in the turn in which the socket was made. */
  follow(socket: Socket): void {
    socket.on('connectionAttempt', (address: string) => this.trying(address));
    socket.on('connectionAttemptFailed', () => this.failed());
    socket.on('connectionAttemptTimeout', () => this.failed());
  }

  /** From the book: the addresses to try, best first, or why there is none. */
  found(error: Error | null, addresses: readonly Address[]): void {
    const { answer } = this;
    this.answer = null;
    this.addresses = addresses;
    if (addresses.length > 0) this.move(addresses[0]!);
    answer?.(
      error,
      addresses.map(({ address, family }) => ({ address, family })),
    );
  }

  connected(): void {
    if (this.at === null) return;
    this.at.failures = 0;
    this.at.behindUntilMs = 0;
  }

  /** The address that it is at gave no connection, or no usable one. */
  failed(): void {
    if (this.at === null || this.blamed) return;
    this.blamed = true;
    this.book.putBehind(this.at);
  }

  /** The connection is gone, or given up. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.book.leave(this);
    this.answer = null;
    this.move(null);
  }

  private trying(address: string): void {
    const next = this.addresses.find((each) => each.address === address);
    if (next !== undefined && next !== this.at) this.move(next);
  }

  private move(to: Address | null): void {
    if (this.at !== null) this.at.open -= 1;
    if (to !== null) to.open += 1;
    this.at = to;
    this.blamed = false;
  }
}
