/** Loads that do not go to their end: left, aborted, drained, out of time; and tokens that are made and dropped. */
import { CancellationToken } from 'millrace';
import { SMALL, keyOf, sizeOf, uriOf } from '../objects.mjs';
import { SMALL_DATASET, SMALL_MAP, between, isLive, mustFail, takeItem } from './kit.mjs';

/** @typedef {import('./kit.mjs').Work} Work */

const TOKENS = 200;
const CALLS = 10;
/** Longer than a round: it has to be taken back, not to pass. */
const FAR_MS = 600_000;

/** @param {Work} work */
export async function left(work) {
  const { runtime, ledger, random, token } = work;
  const loader = runtime.loader(SMALL_DATASET, { token, batchSize: 32 });
  let batches = between(random, 1, 8);
  for await (const batch of loader) {
    for (const item of batch) takeItem(work, SMALL, item);
    batches -= 1;
    if (batches === 0) break;
  }
  ledger.addsUp('left', loader.report);
  if (isLive(work))
    ledger.expect(loader.report?.reason === 'break', () => `left: the reason is ${loader.report?.reason}`);
}

/** Its time is over somewhere in the middle. @param {Work} work */
export async function outOfTime(work) {
  const { runtime, ledger, random, token } = work;
  const deadline = token.withDeadline(between(random, 5, 40));
  const loader = runtime.loader(SMALL_MAP, { token: deadline, batchSize: 16, shuffle: true });
  const endless = async () => {
    // A fast machine is done before the deadline: it begins again.
    for (;;) for await (const batch of loader) for (const item of batch) takeItem(work, SMALL, item);
  };
  await mustFail(work, 'out of time', ['DeadlineExceeded'], endless);
  ledger.addsUp('out of time', loader.report);
}

/** A stop by the platform's own signal, while the next batch is awaited. @param {Work} work */
export async function aborted(work) {
  const { runtime, ledger, random } = work;
  const controller = new AbortController();
  const unlink = work.token.onStop(() => controller.abort());
  const loader = runtime.loader(SMALL_DATASET, { signal: controller.signal, batchSize: 32 });
  let batches = between(random, 1, 6);
  await mustFail(work, 'aborted', ['Cancelled'], async () => {
    for await (const batch of loader) {
      for (const item of batch) takeItem(work, SMALL, item);
      batches -= 1;
      if (batches === 0) setImmediate(() => controller.abort());
    }
  }).finally(unlink);
  ledger.addsUp('aborted', loader.report);
}

/** A drain delivers what is in flight and ends the loop without an error. @param {Work} work */
export async function drained(work) {
  const { runtime, ledger, random } = work;
  const token = work.token.child();
  const loader = runtime.loader(SMALL_MAP, { token, batchSize: 32 });
  let batches = between(random, 1, 6);
  for await (const batch of loader) {
    for (const item of batch) takeItem(work, SMALL, item);
    batches -= 1;
    if (batches === 0) token.drain('soak');
  }
  ledger.addsUp('drained', loader.report);
  if (isLive(work))
    ledger.expect(loader.report?.failed === 0, () => `drained: ${JSON.stringify(loader.report)}`);
}

/** Children, deadlines, listeners and signals by the hundred; some are cancelled, the others dropped. @param {Work} work */
export async function tokens(work) {
  const { runtime, ledger, signal, random } = work;
  for (let i = 0; i < TOKENS; i += 1) {
    const child = work.token.child().withDeadline(FAR_MS);
    const unlink = child.onStop(() => {});
    if (i % 2 === 0) child.toAbortSignal();
    if (i % 3 === 0) child.cancel('soak');
    unlink();
    child.dispose();
    CancellationToken.fromAbortSignal(signal).dispose();
  }
  for (let i = 0; i < CALLS; i += 1) {
    const number = between(random, 0, SMALL.count - 1);
    const key = keyOf(SMALL, number);
    const stop = i % 2 === 0 ? { token: work.token.withDeadline(FAR_MS) } : { signal };
    const result = await runtime.get(uriOf(key), stop);
    ledger.take(key, result.bytes, sizeOf(SMALL, number));
    result.release();
  }
  const over = work.token.withDeadline(0);
  await mustFail(work, 'tokens', ['DeadlineExceeded'], () =>
    runtime.get(uriOf(keyOf(SMALL, 0)), { token: over }),
  );
}
