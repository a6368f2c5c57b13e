/**
 * A message channel of the simulation: cloned like on a real port, delivered one message per step.
 *
 * Invariants:
 * 1. A message is cloned, and what is transferred detached, at the moment it is posted.
 * 2. What a dead party posts goes nowhere; what it had posted before stays deliverable.
 * 3. A message may be late, and all behind it are late with it: a port keeps its order.
 */
import type { Channel } from '../../protocol/port.js';
import type { Oracle } from './oracle.js';
import type { Party, Scheduler, SimQueue } from './scheduler.js';
import type { FaultSites } from './sites.js';

/** A party that can die. */
export interface Mortal extends Party {
  dead: boolean;
}

export interface ChannelPair {
  readonly near: Channel;
  readonly far: Channel;
  /** Closes both ends: what is posted from now on is lost, what is under way still arrives. */
  sever(): void;
}

/** What channels of one simulation have in common. */
export interface Wires {
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly sites: FaultSites;
}

/** Longest time that a late message takes. */
const LATE_MS = 200;

interface Wire extends Wires {
  closed: boolean;
}

export function createChannel(wires: Wires, name: string, near: Mortal, far: Mortal): ChannelPair {
  const wire: Wire = { ...wires, closed: false };
  const { scheduler } = wires;
  const toNear = scheduler.queue(`${name} -> ${near.name}`, near);
  const toFar = scheduler.queue(`${name} -> ${far.name}`, far);
  return {
    near: createEnd(near, toNear, far, toFar, wire),
    far: createEnd(far, toFar, near, toNear, wire),
    sever: () => {
      wire.closed = true;
    },
  };
}

function createEnd(owner: Mortal, incoming: SimQueue, peer: Mortal, outgoing: SimQueue, wire: Wire): Channel {
  return {
    post: (message, transfer = []) => {
      if (owner.dead) return;
      // Words such as "credit", of which there are many, are the same when cloned.
      const clone: unknown =
        typeof message === 'string'
          ? message
          : structuredClone(message, { transfer: [...transfer] as ArrayBuffer[] });
      if (wire.closed || peer.dead) return;
      const late = wire.sites.strikes(clone === 'credit' ? 'port.credit-late' : 'port.delay');
      if (late) outgoing.hold(wire.oracle.between(1, LATE_MS, 'how late it is'));
      outgoing.push(describe(clone), clone);
    },
    onMessage: (fn) => {
      if (!owner.dead) incoming.deliver = fn;
    },
    takePending: () => incoming.take(),
    close: () => {
      wire.closed = true;
      incoming.take();
    },
  };
}

/** A message in one word or two, for the trace. */
function describe(message: unknown): string {
  if (typeof message !== 'object' || message === null) return String(message);
  const parts = message as { kind?: unknown; table?: { count?: unknown }; state?: unknown; slot?: unknown };
  const kind = typeof parts.kind === 'string' ? parts.kind : 'message';
  if (typeof parts.table?.count === 'number') return `${kind}[${parts.table.count}]`;
  return typeof parts.state === 'number' ? `${kind}=${parts.state}` : kind;
}
