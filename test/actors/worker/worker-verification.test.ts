/** What a worker does with an object that no answer brought in one piece. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../dist/protocol/errors.js';
import { Outcome, type Answer, type ObjectInfo } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import {
  answerOf,
  byteOf,
  BYTES,
  fetchOf,
  problem,
  STORE,
  stores,
  streamSpec,
  transform,
  workerOf,
} from './worker.kit.js';

const bytesOf = (key: string): number[] => Array.from({ length: BYTES }, (_, at) => byteOf(key, at));

describe('an object that came in pieces', () => {
  const md5 = (key: string): string =>
    createHash('md5')
      .update(Uint8Array.from(bytesOf(key)))
      .digest('base64');
  const flags = JobFlag.First | JobFlag.Verify | JobFlag.VerifyAlways;

  const verifying = async (value: string, more: number, answers: Answer<ObjectInfo>[] = []) => {
    const info: ObjectInfo = {
      size: BYTES,
      version: '"v"',
      lastModifiedMs: null,
      contentType: null,
      checksums: [{ algorithm: 'md5', value }],
    };
    const left = [...answers, answerOf(info)];
    const applied: string[] = [];
    const kit = workerOf({
      stores: { [STORE]: { head: () => Promise.resolve(left.shift()!) } },
      transform: (_bytes, { key }) => void applied.push(key),
    });
    await kit.send(
      fetchOf(1, [{ id: 1, flags: flags | more }], { open: streamSpec(1, { transform }), stores }),
    );
    kit.read('k1').answer({ size: BYTES });
    await kit.flow();
    await kit.untilQuiet();
    return { ...kit, applied };
  };

  it('is verified by what a head tells, and goes on to its transform', async () => {
    const kit = await verifying(md5('k1'), JobFlag.Transform);
    expect(kit.rows()).toMatchObject([{ status: DoneStatus.Ok, error: null, retries: 0 }]);
    expect(kit.applied).toEqual(['k1']);
    expect(kit.messages).toMatchObject([{ kind: 'done' }]);
  });

  it('fails, and is not transformed, where its bytes are others; the error names it', async () => {
    const kit = await verifying(md5('k2'), JobFlag.Transform);
    expect(kit.rows()).toMatchObject([
      {
        status: DoneStatus.Failed,
        error: { code: ErrorCode.ChecksumMismatch, context: { uri: 's3://shelf-3/k1' } },
      },
    ]);
    expect(kit.applied).toEqual([]);
  });

  it('fails where what its store tells is no checksum, and the worker goes on', async () => {
    const kit = await verifying(undefined as unknown as string, JobFlag.Transform);
    expect(kit.rows()).toMatchObject([
      {
        status: DoneStatus.Failed,
        error: { code: ErrorCode.Internal, context: { phase: 'verify', uri: 's3://shelf-3/k1' } },
      },
    ]);
    expect([kit.applied, kit.state.over, kit.stats().busy]).toEqual([[], null, 0]);
  });

  it('counts how often that was asked', async () => {
    const unsure = { outcome: Outcome.Transient, value: null, error: problem, retryAfterMs: 0 };
    const slowDown = { ...unsure, outcome: Outcome.Throttled };
    const kit = await verifying(md5('k1'), 0, [unsure, slowDown]);
    expect(kit.rows()).toMatchObject([{ status: DoneStatus.Ok, retries: 2, throttled: 1 }]);
    expect(kit.stats().retries).toBe(2);
  });
});
