/** Conformance: bytes, ranges, versions and cancelling. */
import { expect, it } from 'vitest';
import { patternBytes } from '../../dist/backends/memory/pattern.js';
import { NEVER, StopState } from '../../dist/protocol/stop.js';
import { manualSignal, turn } from './signals.js';
import {
  firstOther,
  guarded,
  keyOf,
  list,
  listRequest,
  MIB,
  putNew,
  range,
  read,
  sameBytes,
  SENTINEL,
  type Use,
  versionsOf,
  whole,
} from './store.kit.js';
import { readOnce } from '../kit/attempts.js';

export function readsWhole(use: Use): void {
  it.each([0, 1, 4095, 4096, 4097, 65_535, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])(
    'lands an object of %i bytes, exactly and nowhere else',
    async (size) => {
      const { key, bytes } = await putNew(use(), `whole/${size}`, size);
      const { answer, target } = await read(use().store, whole(key, size));
      expect(answer).toMatchObject({ outcome: 'complete', landed: size, size, error: null });
      expect(sameBytes(target, bytes)).toBe(true);
    },
  );

  it('leaves the rest of a longer target alone', async () => {
    const { key, bytes } = await putNew(use(), 'whole/short', 100);
    const { answer, target } = await read(use().store, whole(key, 100), NEVER, 1000);
    expect(answer.landed).toBe(100);
    expect(sameBytes(target.subarray(0, 100), bytes)).toBe(true);
    expect(target.subarray(100).every((byte) => byte === SENTINEL)).toBe(true);
  });

  it.each([-1, 1, 5000])(
    'refuses to call an object whole that has %i bytes more than believed',
    async (more) => {
      const { key } = await putNew(use(), `whole/other${more}`, 9000);
      const { answer, target } = await read(use().store, whole(key, 9000 - more), NEVER, 10_000);
      expect(answer).toMatchObject({ outcome: 'size-changed', landed: 0, size: 9000 });
      expect(answer.error?.code).toBeDefined();
      expect(target).toHaveLength(10_000);
    },
  );

  it('says that a key does not exist', async () => {
    const { answer } = await read(use().store, whole(keyOf('whole/missing'), 10));
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(answer.error?.code).toBe('NotFound');
    expect(answer.error?.uri).toContain('whole/missing');
    const head = await use().store.head(keyOf('whole/missing'), NEVER);
    expect(head).toMatchObject({ outcome: 'refused', value: null });
    expect(head.error?.code).toBe('NotFound');
  });

  it('tells size and version by head', async () => {
    const { key } = await putNew(use(), 'whole/facts', 1234);
    const head = await use().store.head(key, NEVER);
    expect(head).toMatchObject({ outcome: 'complete', error: null });
    expect(head.value?.size).toBe(1234);
    const { answer } = await read(use().store, whole(key, 1234));
    expect(answer.version).toBe(head.value?.version);
  });

  it('keeps sixteen reads at once apart', async () => {
    const objects = await Promise.all(
      Array.from({ length: 16 }, (_, i) => putNew(use(), `whole/at-once/${i}`, 200_000 + i * 1013)),
    );
    const answers = await Promise.all(
      objects.map(({ key, bytes }) => read(use().store, whole(key, bytes.length))),
    );
    for (const [i, { answer, target }] of answers.entries()) {
      expect(answer.outcome).toBe('complete');
      expect(sameBytes(target, objects[i]?.bytes ?? new Uint8Array(0))).toBe(true);
    }
  });
}

export function readsRanges(use: Use): void {
  const size = 2 * MIB + 13;
  it.each([
    ['the first byte', 0, 1],
    ['the last byte', size - 1, 1],
    ['two bytes over a page boundary', 4095, 2],
    ['two bytes over a MiB boundary', MIB - 1, 2],
    ['a middle part', 12_345, MIB + 7],
    ['everything', 0, size],
  ])('lands %s', async (_, start, length) => {
    const { key, bytes } = await putNew(use(), 'range/object', size);
    const { answer, target } = await read(use().store, range(key, start, length));
    expect(answer).toMatchObject({ outcome: 'complete', landed: length, size, error: null });
    expect(sameBytes(target, bytes.subarray(start, start + length))).toBe(true);
  });

  it.each([
    ['one byte past the end', size - 10, 11],
    ['far past the end', size - 1, MIB],
    ['past the end from the start', 0, size + 1],
  ])('lands what there is of a range that reaches %s', async (_, start, length) => {
    const { key, bytes } = await putNew(use(), 'range/object', size);
    const { answer, target } = await read(use().store, range(key, start, length));
    expect(answer).toMatchObject({ outcome: 'complete', landed: size - start, size });
    expect(sameBytes(target.subarray(0, size - start), bytes.subarray(start))).toBe(true);
    expect(target.subarray(size - start).every((byte) => byte === SENTINEL)).toBe(true);
  });

  it.each([100, 101, 1_000_000])('rejects a range of a 100-byte object that begins at %i', async (start) => {
    const { key } = await putNew(use(), 'range/small', 100);
    const { answer, target } = await read(use().store, range(key, start, 10));
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(answer.error?.code).toBe('RangeRejected');
    expect(answer.error?.range).toEqual([start, start + 9]);
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
  });

  it('lands nothing of an empty object, and that is a success', async () => {
    const { key } = await putNew(use(), 'range/empty', 0);
    const { answer } = await read(use().store, range(key, 0, MIB));
    expect(answer).toMatchObject({ outcome: 'complete', landed: 0, size: 0, error: null });
  });
}

export function looksAtVersions(use: Use, refusesOld: boolean): void {
  it('accepts the version that head, a read and a listing gave', async () => {
    const { key } = await putNew(use(), 'version/kept', 5000);
    const head = await use().store.head(key, NEVER);
    const page = await list(use().store, { prefix: key });
    const first = await read(use().store, whole(key, 5000));
    for (const version of [head.value?.version, versionsOf(page)[0], first.answer.version]) {
      expect(version).toBeTruthy();
      const { answer } = await read(use().store, { ...range(key, 100, 50), version: version ?? null });
      expect(answer).toMatchObject({ outcome: 'complete', landed: 50, version });
    }
  });

  it.each([true, false])('says so when the object was replaced (whole: %s)', async (isWhole) => {
    const { key } = await putNew(use(), `version/replaced-${isWhole}`, 5000);
    const head = await use().store.head(key, NEVER);
    await use().put(key, patternBytes(6000, 99, 1));
    const request = isWhole ? whole(key, 6000) : range(key, 0, 1000);
    const { answer, target } = await read(use().store, { ...request, version: head.value?.version ?? null });
    expect(answer).toMatchObject({ outcome: 'version-changed', landed: 0 });
    expect(answer.error?.code).toBe('VersionChanged');
    if (refusesOld) expect(target.every((byte) => byte === SENTINEL)).toBe(true);
    const fresh = await use().store.head(key, NEVER);
    expect(fresh.value?.version).not.toBe(head.value?.version);
  });
}

export function cancels(use: Use): void {
  const size = 32 * MIB;

  it('does not begin under a cancelled token', async () => {
    const { key } = await putNew(use(), 'cancel/before', 5000);
    const stop = manualSignal();
    stop.set(StopState.Cancelled);
    const { answer, target } = await read(use().store, whole(key, 5000), stop);
    expect(answer).toMatchObject({ outcome: 'cancelled', landed: 0, error: null });
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
    expect((await use().store.head(key, stop)).outcome).toBe('cancelled');
    expect((await use().store.list(listRequest({ prefix: key }), stop)).outcome).toBe('cancelled');
    expect(stop.linked).toBe(0);
  });

  it('stops in the middle, says what has landed, and writes nothing afterwards', async () => {
    const { key, bytes } = await putNew(use(), 'cancel/middle', size);
    const next = await putNew(use(), 'cancel/next', 3 * MIB);
    const { target } = guarded(size);
    // A store that polls has landed something by its eighth look; one that is called back, by the turn that saw it.
    const hasBegun = (): boolean => target[0] !== SENTINEL || target[1] !== SENTINEL;
    const stop = manualSignal((signal) => {
      if (signal.looks >= 8 && hasBegun()) signal.set(StopState.Cancelled);
    });
    const reading = readOnce(use().store, whole(key, size), target, stop);
    let isOver = false;
    const over = reading.then(() => (isOver = true));
    while (!isOver && !hasBegun()) await turn();
    stop.set(StopState.Cancelled);
    const answer = await reading;
    await over;
    expect(answer).toMatchObject({ outcome: 'cancelled', error: null });
    expect(answer.landed).toBeLessThan(size);
    expect(sameBytes(target.subarray(0, answer.landed), bytes.subarray(0, answer.landed))).toBe(true);
    expect(stop.linked).toBe(0);
    target.fill(SENTINEL);
    const after = await read(use().store, whole(next.key, 3 * MIB));
    expect(after.answer.outcome).toBe('complete');
    expect(sameBytes(after.target, next.bytes)).toBe(true);
    expect(firstOther(target, SENTINEL)).toBe(-1);
  });

  it('leaves nothing linked to the token after a read that went well', async () => {
    const { key } = await putNew(use(), 'cancel/not', 5000);
    const stop = manualSignal();
    expect((await read(use().store, whole(key, 5000), stop)).answer.outcome).toBe('complete');
    expect(stop.linked).toBe(0);
  });
}
