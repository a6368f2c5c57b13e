/** The simulated service itself: what it makes of writes, and what becomes of those that are broken off. */
import { describe, expect, it } from 'vitest';
import { Outcome, type Answer, type Store } from '../../dist/protocol/store.js';
import { StopState } from '../../dist/protocol/stop.js';
import type { WriteRequest, WriteResult } from '../../dist/protocol/writes.js';
import { bytesOfObject } from '../../dist/runtime/simulation/objects.js';
import { createSimOrigin, type SimOriginOptions } from '../../dist/runtime/simulation/origin.js';
import { createSimStore } from '../../dist/runtime/simulation/store.js';
import { patternObjects } from './kit.js';

const encoder = new TextEncoder();
const PLAIN = { ifAbsent: false, ifVersion: null, contentType: null };

/** A store whose steps happen when they are told to. */
class Bench {
  readonly origin;
  readonly store: Store;
  readonly #steps: { readonly label: string; readonly fn: () => void }[] = [];
  #listeners = new Set<() => void>();
  readonly stop = {
    state: StopState.Live as StopState,
    onStop: (fn: () => void) => {
      this.#listeners.add(fn);
      return () => this.#listeners.delete(fn);
    },
  };

  constructor(options: Partial<SimOriginOptions> = {}) {
    this.origin = createSimOrigin({ objects: patternObjects({ a: 10 }), maxPieces: 1, ...options });
    const push = (label: string, fn: () => void): (() => void) => {
      const step = { label, fn };
      this.#steps.push(step);
      return () =>
        void this.#steps.splice(0, this.#steps.length, ...this.#steps.filter((one) => one !== step));
    };
    this.store = createSimStore(
      {
        name: 'bench',
        now: () => 0,
        between: (least) => least,
        device: (label, _delayMs, fn) => push(label, fn),
        service: (label, _delayMs, fn) => void push(label, fn),
        complete: (label, fn) => void push(label, fn),
      },
      this.origin,
      { version: 1, expiresAtMs: null, config: null },
    );
  }

  step(): void {
    this.#steps.shift()!.fn();
  }

  cancel(): void {
    this.stop.state = StopState.Cancelled;
    for (const fn of this.#listeners) fn();
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  begin(request: WriteRequest): Promise<Answer<WriteResult>> {
    return this.store.write(request, this.stop);
  }

  async write(request: WriteRequest): Promise<Answer<WriteResult>> {
    const answer = this.begin(request);
    while (this.#steps.length > 0) this.step();
    return await answer;
  }

  text(key: string): string | null {
    const object = this.origin.objects.get(key);
    return object === undefined ? null : Buffer.from(bytesOfObject(object)).toString();
  }
}

function put(key: string, text: string, more: object = {}): WriteRequest {
  return { kind: 'put', key: encoder.encode(key), body: encoder.encode(text), ...PLAIN, ...more };
}

describe('a put', () => {
  it('keeps the bytes that were sent, under the version that it tells', async () => {
    const bench = new Bench();
    const { value } = await bench.write(put('k', 'hello'));
    expect([bench.text('k'), bench.origin.objects.get('k')!.version]).toEqual(['hello', value!.version]);
  });

  it('looks at its condition', async () => {
    const bench = new Bench();
    const { value } = await bench.write(put('k', 'one', { ifAbsent: true }));
    expect((await bench.write(put('k', 'two', { ifAbsent: true }))).error!.code).toBe('AlreadyExists');
    expect((await bench.write(put('k', 'two', { ifVersion: 'v9' }))).outcome).toBe(Outcome.VersionChanged);
    expect(bench.text('k')).toBe('one');
    await bench.write(put('k', 'two', { ifVersion: value!.version }));
    expect(bench.text('k')).toBe('two');
  });

  it('that is cancelled before it has left is never carried out; one that has left is', async () => {
    for (const steps of [0, 1]) {
      const bench = new Bench();
      const answer = bench.begin(put('k', 'late'));
      for (let i = 0; i < steps; i += 1) bench.step();
      bench.cancel();
      expect((await answer).outcome).toBe(Outcome.Cancelled);
      expect([bench.text('k'), bench.listeners]).toEqual([null, 0]);
      if (steps > 0) bench.step();
      expect(bench.text('k')).toBe(steps > 0 ? 'late' : null);
    }
  });

  it('may be carried out although its answer is lost', async () => {
    for (const applied of [true, false]) {
      const bench = new Bench({ callFaults: [{ on: 'put', kind: 'lost', outcome: 'transient', applied }] });
      expect((await bench.write(put('k', 'x'))).outcome).toBe(Outcome.Transient);
      expect(bench.text('k')).toBe(applied ? 'x' : null);
    }
  });
});

describe('an upload', () => {
  const key = encoder.encode('k');

  async function begun(bench: Bench): Promise<string> {
    return (await bench.write({ kind: 'begin', key, size: -1, ...PLAIN })).value!.upload!;
  }

  async function part(
    bench: Bench,
    upload: string,
    index: number,
    text: string,
  ): Promise<Answer<WriteResult>> {
    const body = encoder.encode(text);
    return await bench.write({ kind: 'part', key, upload, index, start: index * 2, body, last: false });
  }

  it('becomes the parts that its end names, all at once', async () => {
    const bench = new Bench();
    const upload = await begun(bench);
    const second = (await part(bench, upload, 1, 'cd')).value!.part!;
    const first = (await part(bench, upload, 0, 'ab')).value!.part!;
    expect(bench.text('k')).toBe(null);
    const end = { kind: 'complete', key, upload, size: 4, ...PLAIN } as const;
    expect((await bench.write({ ...end, parts: [second, first] })).error!.code).toBe('InvalidArgument');
    await bench.write({ ...end, parts: [first, second] });
    expect([bench.text('k'), bench.origin.uploads.size]).toEqual(['abcd', 0]);
    expect((await bench.write({ ...end, parts: [first, second] })).error!.code).toBe('NotFound');
  });

  it('is listed until it is aborted, and takes no part after that', async () => {
    const bench = new Bench();
    const upload = await begun(bench);
    const prefix = encoder.encode('');
    const listed = async (): Promise<number> =>
      (await bench.write({ kind: 'uploads', prefix, continuation: null })).value!.uploads.length;
    expect(await listed()).toBe(1);
    for (let i = 0; i < 2; i += 1)
      expect((await bench.write({ kind: 'abort', key, upload })).outcome).toBe(Outcome.Complete);
    expect(await listed()).toBe(0);
    expect((await part(bench, upload, 0, 'ab')).error!.code).toBe('NotFound');
  });

  it('of a service that takes parts in order takes no other', async () => {
    const bench = new Bench({ partsInFlight: 1 });
    const upload = await begun(bench);
    expect((await part(bench, upload, 1, 'cd')).outcome).toBe(Outcome.Refused);
    expect((await part(bench, upload, 0, 'ab')).outcome).toBe(Outcome.Complete);
    expect((await part(bench, upload, 1, 'cd')).outcome).toBe(Outcome.Complete);
  });
});

describe('a copy and a delete', () => {
  const copy = { kind: 'copy', sourceStore: 'sim:', ...PLAIN } as const;

  it('act on the version that they name only', async () => {
    const bench = new Bench();
    const [a, b] = [encoder.encode('a'), encoder.encode('b')];
    const of = (sourceVersion: string): WriteRequest => ({ ...copy, key: b, sourceKey: a, sourceVersion });
    expect((await bench.write(of('v9'))).outcome).toBe(Outcome.VersionChanged);
    expect((await bench.write(of('v0'))).outcome).toBe(Outcome.Complete);
    expect(bench.text('b')).toBe(bench.text('a'));
    expect((await bench.write({ kind: 'delete', keys: [a], ifVersion: 'v9' })).outcome).toBe(
      Outcome.VersionChanged,
    );
    expect((await bench.write({ kind: 'delete', keys: [a, a], ifVersion: null })).outcome).toBe(
      Outcome.Complete,
    );
    expect(bench.text('a')).toBe(null);
  });

  it('are refused as not possible by a service that does not copy', async () => {
    const bench = new Bench({ copies: false });
    const key = encoder.encode('b');
    const answer = await bench.write({ ...copy, key, sourceKey: encoder.encode('a'), sourceVersion: null });
    expect(answer.error!.code).toBe('Unsupported');
  });
});
