/** Claims about reads that are cancelled. */
import assert from 'node:assert/strict';
import { StopState } from '../protocol/stop.js';
import { like, same, SENTINEL, untouched } from './assertions.js';
import { groupOf } from './group.js';
import { guarded, listRequest, MIB, putNew, read, readOnce, whole } from './kit.js';
import { manualSignal, turn } from './signals.js';
import type { StoreBehaviour, StoreFixture, StoreTraits } from './traits.js';

/** Large enough that no store has landed it before it can be told to stop. */
const CANCELLED_BYTES = 32 * MIB;

export function cancels(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim } = groupOf('cancel', traits);

  claim('does not begin under a cancelled token', async (fixture) => {
    const { store } = fixture;
    const { key } = await putNew(fixture, 'cancel/before', 5000);
    const stop = manualSignal();
    stop.set(StopState.Cancelled);
    const { answer, target } = await read(store, whole(key, 5000), stop);
    like(answer, { outcome: 'cancelled', landed: 0, error: null });
    untouched(target);
    assert.equal((await store.head(key, stop)).outcome, 'cancelled');
    assert.equal((await store.list(listRequest({ prefix: key }), stop)).outcome, 'cancelled');
    assert.equal(stop.linked, 0);
  });

  claim('stops in the middle, says what has landed, and writes nothing afterwards', stopsInTheMiddle);

  claim('leaves nothing linked to the token after a read that went well', async (fixture) => {
    const { key } = await putNew(fixture, 'cancel/not', 5000);
    const stop = manualSignal();
    assert.equal((await read(fixture.store, whole(key, 5000), stop)).answer.outcome, 'complete');
    assert.equal(stop.linked, 0);
  });
  return behaviours;
}

async function stopsInTheMiddle(fixture: StoreFixture): Promise<void> {
  const { key, bytes } = await putNew(fixture, 'cancel/middle', CANCELLED_BYTES);
  const next = await putNew(fixture, 'cancel/next', 3 * MIB);
  const { target, lookAtGuards } = guarded(CANCELLED_BYTES);
  // A store that polls has landed something by its eighth look; one that is called back, by the turn that saw it.
  const hasBegun = (): boolean => target[0] !== SENTINEL || target[1] !== SENTINEL;
  const stop = manualSignal((signal) => {
    if (signal.looks >= 8 && hasBegun()) signal.set(StopState.Cancelled);
  });
  const reading = readOnce(fixture.store, whole(key, CANCELLED_BYTES), target, stop);
  let isOver = false;
  const over = reading.then(() => (isOver = true));
  while (!isOver && !hasBegun()) await turn();
  stop.set(StopState.Cancelled);
  const answer = await reading;
  await over;
  like(answer, { outcome: 'cancelled', error: null });
  assert.ok(answer.landed < CANCELLED_BYTES, 'all of it had landed');
  same(target.subarray(0, answer.landed), bytes.subarray(0, answer.landed));
  assert.equal(stop.linked, 0);
  target.fill(SENTINEL);
  const after = await read(fixture.store, whole(next.key, 3 * MIB));
  assert.equal(after.answer.outcome, 'complete');
  same(after.target, next.bytes);
  untouched(target);
  lookAtGuards();
}
