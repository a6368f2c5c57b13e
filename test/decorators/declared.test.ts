import { describe, expect, it } from 'vitest';
import { decorate, parseDecorators, shareOf } from '../../dist/decorators/declared.js';
import { latency } from '../../dist/decorators/latency.js';
import { limit } from '../../dist/decorators/limit.js';
import { prefix } from '../../dist/decorators/prefix.js';
import { throttle } from '../../dist/decorators/throttle.js';
import { resolveRuntimeOptions } from '../../dist/loader/runtime-options.js';
import { NEVER } from '../../dist/protocol/stop.js';
import { decoratorClock, handStore, read, readOf, turns } from './kit.js';

describe('declared decorators', () => {
  it('are read as they are meant', () => {
    const given = [
      { limit: { concurrency: 8 } },
      { throttle: { bytesPerSecond: '1MiB' } },
      { prefix: 'a/' },
      { latency: { ms: 20, jitterMs: 5, seed: 1 } },
    ];
    const meant = [given[0], { throttle: { bytesPerSecond: 2 ** 20 } }, given[2], given[3]];
    expect(parseDecorators(given, 'd')).toEqual(meant);
  });

  it.each<[unknown, string]>([
    [Object.create(null), 'd: expected an array such as [{latency: {ms: 20}}]; given an object'],
    [{ limit: { concurrency: 1 } }, 'd: expected an array'],
    [[{}], 'd[0]: expected one decorator, such as {latency: {ms: 20}}; given "none"'],
    [[{ prefix: 'a', limit: { concurrency: 1 } }], 'given "several"'],
    [['latency'], 'd[0]: expected an object with limit, throttle, prefix, latency'],
    [[{ latncy: { ms: 1 } }], 'd[0]: unknown option "latncy"; did you mean "latency"?'],
    [[{ latency: { ms: '20' } }], 'd[0].latency.ms: expected a number from 0 to 3600000; given "20"'],
    [[{ latency: { ms: 1, jitterMs: -1 } }], 'd[0].latency.jitterMs: expected'],
    [[{ latency: { ms: 1, seed: 0.5 } }], 'd[0].latency.seed: expected a whole number within'],
    [[{ latency: { ms: 1, jitter: 1 } }], 'did you mean "jitterMs"?'],
    [[{ limit: { concurrency: 0 } }], 'd[0].limit.concurrency: expected a whole number from 1 on; given 0'],
    [[{ limit: {} }], 'given undefined'],
    [[{ throttle: {} }], 'expected bytesPerSecond, requestsPerSecond or both'],
    [[{ throttle: { bytesPerSecond: 0 } }], 'd[0].throttle.bytesPerSecond'],
    [[{ throttle: { bytesPerSecond: '1M' } }], 'd[0].throttle.bytesPerSecond'],
    [[{ throttle: { requestsPerSecond: 0 } }], 'd[0].throttle.requestsPerSecond: expected a number'],
    [[{ prefix: '' }], 'd[0].prefix: expected a text such as "a/b/"'],
  ])('%j are refused', (given, message) => {
    expect(() => parseDecorators(given, 'd')).toThrow(message);
  });

  it('are refused alike where a function is called', () => {
    const store = handStore();
    expect(() => limit(store, { concurrency: 1.5 })).toThrow('limit.concurrency: expected');
    expect(() => throttle(store, {})).toThrow('throttle: expected');
    expect(() => latency(store, { ms: -1 })).toThrow('latency.ms: expected');
    expect(() => prefix(store, 5 as never)).toThrow('prefix: expected');
  });

  it('hold for all workers together', () => {
    const specs = [
      { limit: { concurrency: 9 } },
      { throttle: { bytesPerSecond: 1000, requestsPerSecond: 2 } },
      { latency: { ms: 4 } },
      { prefix: 'a/' },
    ];
    expect(shareOf(specs, 4, 'd')).toEqual([
      { limit: { concurrency: 2 } },
      { throttle: { bytesPerSecond: 250, requestsPerSecond: 0.5 } },
      specs[2],
      specs[3],
    ]);
    expect(parseDecorators(shareOf([{ throttle: { bytesPerSecond: 2 } }], 4, 'd'), 'd')).toEqual([
      { throttle: { bytesPerSecond: 1 } },
    ]);
    expect(() => shareOf(specs, 10, 'd')).toThrow(
      'd[0].limit.concurrency: expected at least one call for each of 10 workers; given 9',
    );
  });

  it('are put around each other in their order, the last one outermost', async () => {
    const clock = decoratorClock();
    const inner = handStore(true);
    const store = decorate(
      inner,
      [{ prefix: 'a/' }, { prefix: 'b/' }, { latency: { ms: 5 } }, { limit: { concurrency: 1 } }],
      clock,
    );
    const reads = ['1', '2'].map((key) => read(store, readOf(key), NEVER));
    await turns();
    // The second one waits for its turn, not for its delay.
    expect(clock.timers).toBe(1);
    await clock.advance(5);
    expect(inner.calls).toEqual(['read a/b/1']);
    inner.answer();
    await clock.advance(5);
    inner.answer();
    await Promise.all(reads);
    expect(inner.calls).toEqual(['read a/b/1', 'read a/b/2']);
  });
});

describe('the option of the runtime', () => {
  const env = { cores: 4, schemes: ['s3', 'memory'] };

  it('is shown as it was given, and dealt out to the workers', () => {
    const decorators = { s3: [{ limit: { concurrency: 6 } }], memory: [] };
    const { rows, perWorkerDecorators } = resolveRuntimeOptions({ workers: 3, decorators }, env);
    expect(rows.find(({ option }) => option === 'decorators')).toMatchObject({
      value: decorators,
      origin: 'given',
    });
    expect(perWorkerDecorators).toEqual({ s3: [{ limit: { concurrency: 2 } }], memory: [] });
  });

  it.each<[unknown, string]>([
    [[], 'decorators: expected an object with a list per scheme'],
    [{ S3: [] }, 'unknown option "S3"; did you mean "s3"?'],
    [{ s3: { latency: { ms: 1 } } }, 'decorators.s3: expected an array'],
    [{ s3: [{ latency: { ms: 'x' } }] }, 'decorators.s3[0].latency.ms'],
    [
      { s3: [{ limit: { concurrency: 2 } }] },
      'decorators.s3[0].limit.concurrency: expected at least one call',
    ],
  ])('%j is refused', (decorators, message) => {
    expect(() => resolveRuntimeOptions({ workers: 3, decorators: decorators as never }, env)).toThrow(
      message,
    );
  });
});
