import { describe, expect, it } from 'vitest';
import { Fills } from '../../../dist/actors/supervisor/fills.js';
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { nextPart } from '../../../dist/actors/supervisor/parts.js';
import type { Fill } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import type { SinkSpec } from '../../../dist/protocol/messages.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { createStream, entryOf, MIB, WHOLE } from './kit.js';

const SINK: SinkSpec = {
  store: 1,
  prefix: Uint8Array.of(1),
  strip: null,
  upload: null,
  ifAbsent: false,
  ifVersion: null,
  contentType: null,
};

/** Two tasks that were granted memory, `bytes` each, and what fills them. */
async function granted(bytes: number, fill?: Fill) {
  const payload = patternBytes(1, bytes);
  const entry = (number: number) =>
    entryOf(number, {
      size: -1,
      length: bytes,
      fill: fill ?? ((target, from) => target.set(payload.subarray(from, from + target.length))),
    });
  const arena = new Arena(64 * MIB);
  const { stream, pull } = createStream(arena, [entry(0), entry(1)], {
    transform: SINK,
    order: 'completion',
    batchSize: 2,
  });
  await pull();
  const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: () => 'fake://x' });
  while (grants.grantNext(stream));
  let turns = 0;
  const fills = new Fills({ arena, uri: () => 'fake://x', again: () => (turns += 1) });
  return { arena, stream, fills, payload, turnsAsked: () => turns };
}

describe('bytes of the service', () => {
  it('go into memory a piece per turn, one task after the other, and each is sent only when it is full', async () => {
    const { arena, stream, fills, payload, turnsAsked } = await granted(2.5 * MIB);
    const [first, second] = stream.granted;
    for (let turn = 1; turn <= 5; turn += 1) {
      fills.beginTurn();
      while (fills.step(stream));
      expect(first!.filledBytes + second!.filledBytes).toBe(turn * MIB);
      expect(nextPart(first!, WHOLE) === null).toBe(turn < 3);
      expect(nextPart(second!, WHOLE) === null).toBe(turn < 5);
      expect(turnsAsked()).toBe(Math.min(turn, 4));
    }
    for (const { offset } of [first!, second!]) {
      const there = new Uint8Array(arena.buffer, offset, payload.length).slice();
      expect(Buffer.compare(there, payload)).toBe(0);
    }
  });

  it('that are none are there at once, even in a turn that has no more room', async () => {
    const { stream, fills, turnsAsked } = await granted(0);
    expect([fills.step(stream), fills.step(stream), fills.step(stream)]).toEqual([true, true, false]);
    expect(stream.granted.map((task) => nextPart(task, WHOLE)?.landed)).toEqual([true, true]);
    expect(turnsAsked()).toBe(0);
  });

  it('that cannot be had fail their task, and its memory comes back', async () => {
    const { arena, stream, fills } = await granted(MIB, () => {
      throw new RangeError('gone');
    });
    const next = stream.next();
    fills.beginTurn();
    expect(fills.step(stream)).toBe(true);
    await expect(next).rejects.toMatchObject({ code: 'Internal', phase: 'grant' });
    expect(arena.stats().usedBytes).toBe(0);
  });
});

describe('receipts', () => {
  it('that nobody has taken yet are not given up for the memory of another, which they have none of', async () => {
    const { stream, fills } = await granted(0);
    while (fills.step(stream));
    for (const task of stream.granted.splice(0)) {
      task.outputs = [{ kind: 'value', value: { version: null, part: 'one' } }];
      stream.settled(task);
    }
    expect(stream.evict()).toBe(0);
    expect(stream.planned).toEqual([]);
    expect((await stream.next())?.items.map(({ payload }) => payload.kind)).toEqual(['value', 'value']);
  });
});
