/**
 * Calls that write, over the real supervisor in the simulation: each knows what it was to write, and what became of it.
 *
 * What it keeps true for every test that uses it: bytes that were given to a call are overwritten as soon as it has
 * settled, so that whoever reads them later is found out; each stream that a call opens is looked at when all is over.
 */
import type {
  BatchRecord,
  StreamHandle,
  SupervisorHandle,
  TerminalRecord,
} from '../../dist/actors/supervisor/types.js';
import { copyObject } from '../../dist/loader/writes/copy.js';
import type { PutOptions } from '../../dist/loader/writes/options.js';
import { putObject, putStream, type WrittenObject } from '../../dist/loader/writes/put.js';
import { bytesOfObject, type SimObject } from '../../dist/runtime/simulation/objects.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import type { World } from './world.kit.js';

/** A stream that a call has opened. */
interface Opened {
  readonly stream: StreamHandle;
  record: TerminalRecord | null;
  items: number;
}

export interface WriteCall {
  readonly how: 'put' | 'stream' | 'copy';
  readonly key: string;
  readonly size: number;
  /** Tells its bytes from those of others under the same key. */
  readonly generation: number;
  /** Of a copy. */
  readonly source?: string;
  /** Of a stream: the longest chunk, the longest wait between two, and after how many bytes it throws. */
  readonly chunks?: { readonly most: number; readonly waitMs: number; readonly throwsAt: number };
  readonly options: PutOptions;
}

export class Write {
  readonly call: WriteCall;
  result: WrittenObject | null = null;
  failure: unknown = null;
  readonly beganAtMs: number;
  overAtMs = Infinity;
  /** What was wrong in the moment in which it settled. */
  readonly faults: string[] = [];
  readonly #writer: Writer;

  constructor(writer: Writer, call: WriteCall) {
    this.call = call;
    this.#writer = writer;
    this.beganAtMs = writer.world.sim.now;
    void this.#run();
  }

  get over(): boolean {
    return this.result !== null || this.failure !== null;
  }

  /** Whether these bytes are what it was to write. */
  makes(object: SimObject): boolean {
    const { how, key, size, generation } = this.call;
    const bytes = bytesOfObject(object);
    const same = (wanted: Uint8Array): boolean => Buffer.compare(bytes, wanted) === 0;
    if (how !== 'copy') return same(patternBytes(objectIdOf(key, generation), size));
    return this.#writer.sources(this.call.source!).some((source) => same(bytesOfObject(source)));
  }

  async #run(): Promise<void> {
    try {
      this.result = await this.#begin();
      this.#look(this.result);
    } catch (thrown) {
      this.failure = thrown;
    }
    this.overAtMs = this.#writer.world.sim.now;
  }

  /** What resolved is there, in the version that was told: nobody waits for it any more. */
  #look({ version, size }: WrittenObject): void {
    const { origin } = this.#writer.world;
    const made = origin.written.filter(({ key, object }) => key === this.call.key && this.makes(object));
    // Of several, such as copies of a source that was replaced in between, it is the one of its version.
    const told = made.filter(({ object }) => version === null || object.version === version);
    if (made.length === 0) this.faults.push('it resolved, and was never written');
    else if (told.length === 0)
      this.faults.push(`it resolved with version ${version}, which has other bytes`);
    else if (!told.some(({ object }) => object.size === size))
      this.faults.push(`it resolved with ${size} bytes`);
  }

  async #begin(): Promise<WrittenObject> {
    const { handle } = this.#writer;
    const { how, key, source, options } = this.call;
    const to = `sim://${key}`;
    if (how === 'copy') return await copyObject(handle, `sim://${source}`, to, options);
    const bytes = patternBytes(objectIdOf(key, this.call.generation), this.call.size);
    try {
      if (how === 'put') return await putObject(handle, to, bytes, options);
      return await putStream(handle, to, this.#chunks(bytes), options);
    } finally {
      bytes.fill(0xee);
    }
  }

  async *#chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    const { most, waitMs, throwsAt } = this.call.chunks!;
    const { context } = this.#writer.world.sim;
    for (let at = 0; at < bytes.length;) {
      if (at >= throwsAt) throw new Error('the stream of the service broke');
      const length = 1 + ((at * 31 + 17) % most);
      yield bytes.subarray(at, at + length);
      at += length;
      if (waitMs > 0) await new Promise<void>((resolve) => void context.after(waitMs, resolve));
    }
  }
}

/** Everything that writes in one world. */
export class Writer {
  readonly world: World;
  readonly writes: Write[] = [];
  /** The supervisor, as the calls see it. */
  readonly handle: SupervisorHandle;
  /** Keys of which an upload was to begin, be it that nobody ever heard of that. */
  readonly begun = new Set<string>();
  /** Names of uploads that a call has heard of. */
  readonly heard = new Set<string>();
  readonly #opened: Opened[] = [];
  readonly #before: ReadonlyMap<string, SimObject>;
  readonly #sources = new Map<string, Set<SimObject>>();

  constructor(world: World) {
    this.world = world;
    const { supervisor, origin } = world;
    this.#before = new Map(origin.objects);
    this.handle = {
      stores: supervisor.stores,
      arena: supervisor.arena,
      workers: supervisor.workers,
      token: supervisor.token,
      openStream: (...given) => this.#watch(supervisor.openStream(...given)),
      openCleanup: (...given) => this.#watch(supervisor.openCleanup(...given)),
    };
    // Sources are replaced by faults: each that was ever there may be what a copy has seen.
    world.sim.afterEachStep(() => this.#noteSources());
    this.#noteSources();
  }

  write(call: WriteCall): Write {
    const write = new Write(this, call);
    this.writes.push(write);
    return write;
  }

  get over(): boolean {
    return this.writes.every((write) => write.over);
  }

  sources(key: string): readonly SimObject[] {
    return [...(this.#sources.get(key) ?? [])];
  }

  /** What is wrong with the streams and the objects once all is over, in words; nothing, if all is well. */
  violations(): string[] {
    const wrong = this.writes.flatMap(({ call, faults }) =>
      faults.map((fault) => `${call.how} ${call.key}: ${fault}`),
    );
    for (const { record, items } of this.#opened) {
      if (record === null) wrong.push('a stream of a write is not over');
      else {
        const { planned, delivered, filtered, failed, dropped, left } = record;
        if (planned !== delivered + filtered + failed + dropped + left)
          wrong.push(`a record does not add up: ${JSON.stringify(record)}`);
        if (record.items !== items) wrong.push(`${items} receipts came of ${record.items} in the record`);
      }
    }
    for (const { key, object } of this.world.origin.written) {
      if (!this.#ofKey(key).some((write) => write.makes(object)))
        wrong.push(`${key} was written as nobody has put it, in ${object.size} bytes`);
    }
    for (const key of new Set(this.writes.map(({ call }) => call.key))) wrong.push(...this.#keyFaults(key));
    return wrong;
  }

  /** Uploads that were begun, heard of, and not ended. */
  unfinished(): string[] {
    return [...this.world.origin.uploads.keys()].filter((id) => this.heard.has(id));
  }

  /** Uploads whose `begin` was answered to a worker that lived and was not given up, and of which no call has heard. */
  unheard(): string[] {
    const { origin, crashed } = this.world;
    const told = origin.writes.filter(
      ({ kind, outcome, worker }) =>
        kind === 'begin' && outcome === 'complete' && !crashed.has(worker) && !this.world.isGivenUp(worker),
    );
    return told.flatMap(({ upload }) =>
      upload !== null && origin.uploads.has(upload) && !this.heard.has(upload) ? [upload] : [],
    );
  }

  #ofKey(key: string): readonly Write[] {
    return this.writes.filter(({ call }) => call.key === key);
  }

  #keyFaults(key: string): string[] {
    const wrong: string[] = [];
    const writes = this.#ofKey(key);
    const done = writes.filter(({ result }) => result !== null);
    const object = this.world.origin.objects.get(key);
    const before = this.#before.get(key);
    if (done.length > 0 && (object === undefined || object === before))
      wrong.push(`${key}: a write of it resolved, and it is as it was before`);
    const locks = done.filter(({ call }) => call.options.ifAbsent === true);
    if (locks.length > 1) wrong.push(`${key}: ${locks.length} writes found it absent`);
    if (locks.length > 0 && before !== undefined) wrong.push(`${key}: it was not absent`);
    return wrong;
  }

  #noteSources(): void {
    for (const [key, object] of this.world.origin.objects) {
      const known = this.#sources.get(key);
      if (known === undefined) this.#sources.set(key, new Set([object]));
      else known.add(object);
    }
  }

  #watch(stream: StreamHandle): StreamHandle {
    const opened: Opened = { stream, record: null, items: 0 };
    this.#opened.push(opened);
    void stream.ended.then((record) => {
      opened.record = record;
    });
    return {
      token: stream.token,
      get cursor() {
        return stream.cursor;
      },
      ended: stream.ended,
      next: async (): Promise<BatchRecord | null> => {
        const batch = await stream.next();
        opened.items += batch?.items.length ?? 0;
        return batch;
      },
      release: (batch) => stream.release(batch),
      acknowledge: (batch) => stream.acknowledge(batch),
      finish: (reason) => stream.finish(reason),
      list: (request) => stream.list(request),
      head: (store, key) => stream.head(store, key),
      write: async (store, request) => {
        if (request.kind === 'begin') this.begun.add(Buffer.from(request.key).toString());
        const result = await stream.write(store, request);
        if (request.kind === 'begin' && result.upload !== null) this.heard.add(result.upload);
        return result;
      },
    };
  }
}
