/** How a run of `copyPrefix` ends, over a stream of copies that a test ends as it likes. */
import { describe, expect, it } from 'vitest';
import type { BatchRecord, StreamHandle, TerminalRecord } from '../../dist/actors/supervisor/types.js';
import { CopyRun } from '../../dist/loader/writes/copy-run.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { createFakeSupervisor } from './fake-supervisor.js';

const key = (name: string): Uint8Array => Buffer.from(name);
const LIMITS = { maxParts: 10_000, maxPartBytes: 2 ** 30, maxPutBytes: 2 ** 30 };

/** A run whose stream hands out one object, then does what `before` says, and is over. */
async function runOf(ended: Partial<TerminalRecord>, before: (token: CancellationToken) => void) {
  const fake = createFakeSupervisor();
  const token = new CancellationToken();
  const entry = { store: 0, key: key('from/a'), size: 5, version: null, pinned: false, start: 0, length: -1 };
  const item = { entry, sequence: 0, index: 0, last: true, version: null, size: 5, verified: null };
  const batches: BatchRecord[] = [
    { items: [{ ...item, payload: { kind: 'value' as const, value: null } }], bytes: 0 },
  ];
  const supervisor = Object.assign(Object.create(fake) as typeof fake, {
    stores: { ...fake.stores, writes: () => LIMITS },
    openStream: (...given: Parameters<typeof fake.openStream>): StreamHandle => {
      const stream = fake.openStream(...given);
      if (given[0].transform === null) return stream;
      return Object.assign(Object.create(stream) as StreamHandle, {
        token,
        release: () => {},
        ended: Promise.resolve({ listed: 'complete', left: 0, dropped: 0, ...ended }),
        next: () => {
          const batch = batches.shift() ?? null;
          if (batch === null) before(token);
          return Promise.resolve(batch);
        },
      });
    },
  });
  const plan = {
    from: { store: 'fake://bucket', key: key('from/') },
    to: { store: 'fake://target', key: key('to/') },
    dryRun: false,
    skipEqual: false,
    skipExisting: false,
    lanes: 2,
    terms: { maxAttempts: 1 },
  } as unknown as ConstructorParameters<typeof CopyRun>[1];
  const run = new CopyRun(supervisor, plan, token);
  await run.open();
  expect(await run.next()).toMatchObject({ action: 'copied' });
  return run.next();
}

describe('a run of copies whose stream has come to its end', () => {
  it.each<[string, Partial<TerminalRecord>, (token: CancellationToken) => void, string]>([
    ['a drain', { listed: 'partial' }, (token) => token.drain('SIGTERM'), 'Draining'],
    ['a drain that left objects', { left: 1 }, (token) => token.drain('SIGTERM'), 'Draining'],
    [
      'a drain that was a cancel by then',
      { listed: 'partial', left: 3 },
      (token) => token.cancel('deadline'),
      'Cancelled',
    ],
    ['a cancel that dropped receipts', { dropped: 2 }, (token) => token.cancel('enough'), 'Cancelled'],
  ])('by %s says so behind its last row', async (_, ended, before, code) => {
    await expect(runOf(ended, before)).rejects.toMatchObject({ code });
  });

  it.each<[string, (token: CancellationToken) => void]>([
    ['nothing came between', () => {}],
    ['a stop came when all was done', (token) => token.drain('SIGTERM')],
  ])('is whole where %s', async (_, before) => {
    expect(await runOf({}, before)).toBeNull();
  });
});
