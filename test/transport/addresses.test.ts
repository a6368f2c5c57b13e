/** Several addresses of one name. 127.0.0.1 to 127.0.0.3 are all loopback, so a real server can listen on each. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Exchange, Origin, Transport } from '../../dist/protocol/http.js';
import { NEVER } from '../../dist/protocol/stop.js';
import {
  AddressBook,
  BEHIND_MS,
  MAX_AGE_MS,
  MAX_BEHIND_MS,
  REFRESH_MS,
} from '../../dist/transport/addresses.js';
import type { HostAddress, LookupAll, Visit } from '../../dist/transport/addresses.js';
import { COLLECT, CountingStop, ScriptedServer, answer, get, payload, randomOf, transportOf } from './kit.js';
import type { Seen } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';

const ONE = '127.0.0.1';
const TWO = '127.0.0.2';
const THREE = '127.0.0.3';
const v4 = (...list: string[]): HostAddress[] => list.map((address) => ({ address, family: 4 }));

/** A resolver whose answers a test gives by hand. */
class Resolver {
  readonly asked: string[] = [];
  private open: Parameters<LookupAll>[2][] = [];
  /** What is answered at once, or null to wait for `answer`. */
  constructor(private readonly addresses: HostAddress[] | null = null) {}

  readonly lookup: LookupAll = (host, _options, found) => {
    this.asked.push(host);
    if (this.addresses === null) this.open.push(found);
    else found(null, this.addresses);
  };

  answer(error: Error | null, addresses: HostAddress[] = []): void {
    const [found] = this.open.splice(0, 1);
    found!(error, addresses);
  }
}

let servers: ScriptedServer[] = [];
let transport: Transport;

afterEach(async () => {
  transport?.close();
  for (const server of servers) await server.close();
  servers = [];
});

/** One server at each address, all on one port. */
async function serve(addresses: string[], onRequest: (seen: Seen, address: string) => void): Promise<Origin> {
  for (const host of addresses) {
    const port = servers[0]?.port ?? 0;
    servers.push(await ScriptedServer.start((seen) => onRequest(seen, host), undefined, { host, port }));
  }
  return servers[0]!.origin({ host: 'store.test', id: 'http://store.test' });
}

function fetchAll(origin: Origin, count: number): Promise<Exchange[]> {
  const one = (): Promise<Exchange> => exchangeOnce(transport, get(origin), COLLECT, NEVER);
  return Promise.all(Array.from({ length: count }, one));
}

const small = answer(payload(1, 100));

describe('new connections to one name', () => {
  it('are spread evenly over its addresses, with one lookup', async () => {
    const held: Seen[] = [];
    const origin = await serve([ONE, TWO, THREE], (seen) => {
      held.push(seen);
      if (held.length === 12) for (const { socket } of held) socket.write(small);
    });
    const resolver = new Resolver(v4(ONE, TWO, THREE));
    transport = transportOf({}, resolver);
    for (const exchange of await fetchAll(origin, 12)) expect(exchange.outcome).toBe('complete');
    expect(servers.map(({ sockets }) => sockets.length)).toEqual([4, 4, 4]);
    expect(resolver.asked).toEqual(['store.test']);
    expect(transport.stats()).toMatchObject({ opened: 12, idle: 12 });
  });

  it('share what is kept: an idle connection is used again, whatever address it leads to', async () => {
    const origin = await serve([ONE, TWO], ({ socket }) => socket.write(small));
    transport = transportOf({}, new Resolver(v4(ONE, TWO)));
    for (let i = 0; i < 4; i++) await fetchAll(origin, 1);
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 3 });
  });

  it('reach an address that answers when others do not', async () => {
    const origin = await serve([THREE], ({ socket }) => socket.write(small));
    transport = transportOf({}, new Resolver(v4(ONE, TWO, THREE)));
    for (const exchange of await fetchAll(origin, 9)) expect(exchange.outcome).toBe('complete');
    expect(servers[0]!.sockets.length).toBe(9);
  });

  it('pass over an address that refused one, and take it again when it has served one', async () => {
    const last = answer(payload(1, 100), 'HTTP/1.1 200 OK', 'Connection: close\r\n');
    const at: string[] = [];
    const respond = ({ socket }: Seen, address: string): void => {
      at.push(address);
      socket.write(last);
    };
    const origin = await serve([TWO], respond);
    let laterMs = 0;
    const now = (): number => performance.now() + laterMs;
    transport = transportOf({}, { lookup: new Resolver(v4(ONE, TWO)).lookup, now, random: () => 0 });
    await fetchAll(origin, 1);
    await serve([ONE], respond);
    await fetchAll(origin, 1);
    expect(at).toEqual([TWO, TWO]);
    laterMs = BEHIND_MS;
    // More than went to the other one: what has ended does not count against it.
    for (let i = 0; i < 5; i++) await fetchAll(origin, 1);
    expect(at.slice(2)).toEqual([ONE, ONE, ONE, ONE, ONE]);
  });

  it('leave addresses and localhost to the system', async () => {
    const origin = await serve([ONE], ({ socket }) => socket.write(small));
    const resolver = new Resolver();
    transport = transportOf({}, resolver);
    for (const host of [ONE, 'localhost']) {
      const [exchange] = await fetchAll({ ...origin, host, id: host }, 1);
      expect(exchange!.outcome).toBe('complete');
    }
    expect(resolver.asked).toEqual([]);
  });
});

describe('a lookup', () => {
  it('that fails is a failed connection to the host, and the next connection asks again', async () => {
    const origin = await serve([ONE], ({ socket }) => socket.write(small));
    const resolver = new Resolver();
    transport = transportOf({}, resolver);
    const failing = fetchAll(origin, 3);
    resolver.answer(Object.assign(new Error('getaddrinfo ENOTFOUND store.test'), { code: 'ENOTFOUND' }));
    for (const { outcome, error } of await failing) {
      expect(outcome).toBe('failed');
      expect(error).toMatchObject({ code: 'ConnectionFailed', phase: 'connect', retryable: true });
      expect(error!.message).toBe('no connection to http://store.test: getaddrinfo ENOTFOUND store.test');
    }
    const empty = fetchAll(origin, 1);
    resolver.answer(null, []);
    expect((await empty)[0]!.error!.message).toContain('no address of store.test');
    const good = fetchAll(origin, 1);
    resolver.answer(null, v4(ONE));
    expect((await good)[0]!.outcome).toBe('complete');
    expect(resolver.asked.length).toBe(3);
  });

  it('that hangs ends with the time-out for connecting', async () => {
    const origin = await serve([ONE], () => {});
    transport = transportOf({ connectTimeoutMs: 40 }, new Resolver());
    const [exchange] = await fetchAll(origin, 1);
    expect(exchange!.error).toMatchObject({ code: 'TimedOut', phase: 'connect' });
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
  });

  it('is not waited for after a cancel, and its late answer opens nothing', async () => {
    const origin = await serve([ONE], ({ socket }) => socket.write(small));
    const resolver = new Resolver();
    transport = transportOf({}, resolver);
    const stop = new CountingStop();
    const ended: string[] = [];
    transport.exchange(get(origin), COLLECT, stop, ({ outcome }) => ended.push(outcome));
    expect(resolver.asked).toEqual(['store.test']);
    stop.cancel();
    expect(ended).toEqual(['cancelled']);
    expect(transport.stats()).toMatchObject({ active: 0 });
    resolver.answer(null, v4(ONE));
    expect((await fetchAll(origin, 1))[0]!.outcome).toBe('complete');
    expect(servers[0]!.sockets.length).toBe(1);
  });
});

/** A book with a clock by hand, and what its visits are given. */
class Rig {
  nowMs = 1_000;
  readonly resolver: Resolver;
  readonly book: AddressBook;
  constructor(addresses: HostAddress[] | null = null, random: () => number = () => 0) {
    this.resolver = new Resolver(addresses);
    this.book = new AddressBook({ now: () => this.nowMs, random, lookup: this.resolver.lookup });
  }

  /** Begins a visit; resolves with it and the addresses that it is to try. */
  visit(): Promise<{ visit: Visit; first: string; all: string[] }> {
    const visit = this.book.visit('store.test')!;
    return new Promise((resolve, reject) => {
      visit.lookup('store.test', { all: true }, (error, found) => {
        if (error !== null) return reject(error);
        const all = (found as HostAddress[]).map(({ address }) => address);
        resolve({ visit, first: all[0]!, all });
      });
    });
  }

  /** Lets time pass with connections now and then, so that the host is looked up again and nothing is forgotten. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= REFRESH_MS) {
      this.nowMs += Math.min(leftMs, REFRESH_MS);
      await this.firsts(1);
    }
  }

  async firsts(count: number): Promise<string[]> {
    const visits = [];
    for (let i = 0; i < count; i++) visits.push(await this.visit());
    for (const { visit } of visits) visit.end();
    return visits.map(({ first }) => first).sort();
  }
}

describe('the address of the next connection', () => {
  it('is the one with the fewest open connections', async () => {
    const rig = new Rig(v4(ONE, TWO));
    const [a, b] = [await rig.visit(), await rig.visit()];
    expect([a.first, b.first]).toEqual([ONE, TWO]);
    await rig.visit();
    a.visit.end();
    a.visit.end();
    b.visit.end();
    expect((await rig.visit()).first).toBe(TWO);
  });

  it('is of the family that the system puts first, while one of that works', async () => {
    const rig = new Rig([{ address: '::9', family: 6 }, ...v4(ONE, TWO), { address: '::8', family: 6 }]);
    expect(await rig.firsts(6)).toEqual(['::8', '::8', '::8', '::9', '::9', '::9']);
    for (let i = 0; i < 2; i++) {
      const { visit } = await rig.visit();
      visit.failed();
      visit.end();
    }
    expect(await rig.firsts(4)).toEqual([ONE, ONE, TWO, TWO]);
  });

  it('is not one that failed, until one connection has tried it again and it works', async () => {
    const rig = new Rig(v4(ONE, TWO));
    let bad = await rig.visit();
    expect(bad.first).toBe(ONE);
    for (let backOffMs = BEHIND_MS; backOffMs <= MAX_BEHIND_MS; backOffMs *= 2) {
      bad.visit.failed();
      // One failure, however many events tell of it.
      bad.visit.failed();
      bad.visit.end();
      await rig.pass(backOffMs - 1);
      expect(await rig.firsts(3)).toEqual([TWO, TWO, TWO]);
      rig.nowMs += 1;
      bad = await rig.visit();
      expect(bad.first).toBe(ONE);
      expect(await rig.firsts(3)).toEqual([TWO, TWO, TWO]);
    }
    bad.visit.connected();
    bad.visit.end();
    expect(await rig.firsts(2)).toEqual([ONE, TWO]);
  });

  it('is one that failed when all did: the one whose turn comes first', async () => {
    const rig = new Rig(v4(ONE, TWO));
    for (let i = 0; i < 2; i++) {
      const { visit } = await rig.visit();
      visit.failed();
      visit.end();
      rig.nowMs += 10;
    }
    expect((await rig.visit()).all).toEqual([ONE, TWO]);
  });

  it('is told by the socket: the next one counts when the one before failed, or took too long', async () => {
    for (const event of ['connectionAttemptFailed', 'connectionAttemptTimeout']) {
      const rig = new Rig(v4(ONE, TWO));
      const { visit } = await rig.visit();
      const socket = new EventEmitter();
      visit.follow(socket as Socket);
      socket.emit('connectionAttempt', ONE, 80, 4);
      socket.emit(event, ONE, 80, 4);
      socket.emit('connectionAttempt', TWO, 80, 4);
      visit.connected();
      expect(await rig.firsts(2)).toEqual([TWO, TWO]);
      rig.nowMs += BEHIND_MS;
      // ONE has none open and TWO has one.
      const again = await rig.visit();
      expect(again.first).toBe(ONE);
      again.visit.connected();
      again.visit.end();
      expect(await rig.firsts(1)).toEqual([ONE]);
      visit.end();
    }
  });

  it('is behind for the first time again when it has worked in between', async () => {
    const rig = new Rig(v4(ONE, TWO));
    for (let i = 0; i < 3; i++) {
      const bad = await rig.visit();
      expect(bad.first).toBe(ONE);
      bad.visit.failed();
      bad.visit.end();
      rig.nowMs += BEHIND_MS;
      const good = await rig.visit();
      good.visit.connected();
      good.visit.end();
    }
  });

  it('begins anywhere, so that threads do not all begin with the same one', async () => {
    const rig = new Rig(v4(ONE, TWO, THREE), () => 0.99);
    expect((await rig.visit()).first).toBe(THREE);
  });
});

describe('what is known of a host', () => {
  it('is used at once while it is looked up again, and grows with each answer', async () => {
    const rig = new Rig();
    const waiting = rig.visit();
    rig.resolver.answer(null, v4(ONE));
    (await waiting).visit.end();
    rig.nowMs += REFRESH_MS - 1;
    expect(await rig.firsts(2)).toEqual([ONE, ONE]);
    expect(rig.resolver.asked.length).toBe(1);
    rig.nowMs += 1;
    expect(await rig.firsts(2)).toEqual([ONE, ONE]);
    expect(rig.resolver.asked.length).toBe(2);
    rig.resolver.answer(null, v4(TWO));
    expect(await rig.firsts(2)).toEqual([ONE, TWO]);
  });

  it('is forgotten after its time, and outlives a resolver that fails until then', async () => {
    const rig = new Rig();
    const waiting = rig.visit();
    rig.resolver.answer(null, v4(ONE));
    (await waiting).visit.end();
    rig.nowMs += MAX_AGE_MS - 1;
    expect(await rig.firsts(1)).toEqual([ONE]);
    rig.resolver.answer(new Error('EAI_AGAIN'));
    expect(await rig.firsts(1)).toEqual([ONE]);
    rig.nowMs += 1;
    const late = rig.visit();
    rig.resolver.answer(new Error('EAI_AGAIN'));
    await expect(late).rejects.toThrow('EAI_AGAIN');
  });

  it('is not given to a connection that ended before', async () => {
    const rig = new Rig();
    const visit = rig.book.visit('store.test')!;
    let answered = 0;
    visit.lookup('store.test', { all: true }, () => (answered += 1));
    visit.end();
    const next = rig.visit();
    rig.resolver.answer(null, v4(ONE, TWO));
    expect((await next).first).toBe(ONE);
    expect(answered).toBe(0);
  });

  it('counts no connection that has ended, in whatever order they began, failed and ended', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const below = randomOf(seed);
      const rig = new Rig(v4(ONE, TWO, THREE), () => below(1000) / 1000);
      const live: Visit[] = [];
      for (let step = 0; step < 100; step++) {
        rig.nowMs += below(500);
        if (live.length === 0 || below(2) === 0) live.push((await rig.visit()).visit);
        else {
          const [visit] = live.splice(below(live.length), 1);
          if (below(4) === 0) visit!.failed();
          else visit!.connected();
          visit!.end();
        }
      }
      for (const visit of live) visit.end();
      rig.nowMs += MAX_BEHIND_MS + MAX_AGE_MS;
      expect(await rig.firsts(6)).toEqual([ONE, ONE, TWO, TWO, THREE, THREE]);
    }
  });
});

describe('what is remembered of hosts', () => {
  const many = (count: number, from = 0): HostAddress[] =>
    v4(
      ...Array.from({ length: count }, (_, i) => `10.0.${Math.floor((from + i) / 250)}.${(from + i) % 250}`),
    );

  /** Asks for a host once and for all; whether that asked the resolver. */
  function ask(book: AddressBook, resolver: Resolver, host: string): Promise<boolean> {
    const before = resolver.asked.length;
    const visit = book.visit(host)!;
    return new Promise((resolve) => {
      visit.lookup(host, { all: true }, () => {
        visit.end();
        resolve(resolver.asked.length > before);
      });
    });
  }

  it('is nothing of an address, nor of this machine', () => {
    const { book } = new Rig();
    for (const host of ['127.0.0.1', '::1', 'localhost', 'a.localhost']) expect(book.visit(host)).toBeNull();
    for (const host of ['store.test', 'localhost.test', 'nolocalhost'])
      expect(book.visit(host)).not.toBeNull();
  });

  it('is bounded: of so many hosts the one that was met first is forgotten', async () => {
    const resolver = new Resolver(v4(ONE));
    const book = new AddressBook({ now: () => 1, random: () => 0, lookup: resolver.lookup });
    for (let i = 0; i < 256; i++) expect(await ask(book, resolver, `host-${i}.test`)).toBe(true);
    expect(await ask(book, resolver, 'host-0.test')).toBe(false);
    expect(await ask(book, resolver, 'one-more.test')).toBe(true);
    expect(await ask(book, resolver, 'host-1.test')).toBe(false);
    expect(await ask(book, resolver, 'host-0.test')).toBe(true);
    expect(await ask(book, resolver, 'host-1.test')).toBe(true);
  });

  it('is never one that somebody waits for', async () => {
    const resolver = new Resolver();
    const book = new AddressBook({ now: () => 1, random: () => 0, lookup: resolver.lookup });
    const found: string[] = [];
    const waitFor = (host: string): void =>
      book.visit(host)!.lookup(host, { all: true }, () => void found.push(host));
    for (let i = 0; i < 257; i++) waitFor(`host-${i}.test`);
    for (let i = 0; i < 257; i++) resolver.answer(null, v4(ONE));
    await new Promise((resolve) => setImmediate(resolve));
    expect(found).toHaveLength(257);
  });

  it('is so many addresses of one host, those that were answered last', async () => {
    const rig = new Rig();
    for (const [from, nowMs] of [
      [0, 1_000],
      [60, 1_000 + REFRESH_MS],
      [120, 1_000 + 2 * REFRESH_MS],
    ] as const) {
      rig.nowMs = nowMs;
      const first = rig.visit();
      rig.resolver.answer(null, many(60, from));
      (await first).visit.end();
      await new Promise((resolve) => setImmediate(resolve));
    }
    rig.nowMs += 1;
    // Each visit that is not over makes its address the worst choice: so all that are known come up, one after the other.
    const seen = new Set<string>();
    for (let i = 0; i < 64; i++) seen.add((await rig.visit()).first);
    expect(seen.size).toBe(64);
    for (const { address } of many(60, 120)) expect(seen).toContain(address);
  });

  it('is tried by one connection three at a time', async () => {
    expect((await new Rig(many(9)).visit()).all).toHaveLength(3);
  });
});
