/** One consumer over one stream: loads keys, looks at every byte, and knows what it was handed. */
import type { Supervisor } from '../../dist/actors/supervisor/supervisor.js';
import type {
  BatchRecord,
  ItemRecord,
  PlanEntry,
  StreamHandle,
  StreamOptions,
  TerminalRecord,
} from '../../dist/actors/supervisor/types.js';
import type { Arena } from '../../dist/protocol/arena.js';
import type { SupervisorContext, TransformFunction } from '../../dist/protocol/context.js';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import type { CancellationToken } from '../../dist/protocol/token.js';
import type { FaultSites } from '../../dist/runtime/simulation/sites.js';
import { SIM_STORE as STORE } from '../../dist/testing/simulated-runtime.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import type { Draw } from './scenario.kit.js';

export const PAGE = 4096;
const ITEM_ALIGN_BYTES = 64;

/** What a stream shows to its supervisor. */
interface StreamInside {
  readonly slot: number;
  readonly epoch: number;
  readonly tasksOut: number;
  readonly ledger: { readonly open: number };
  readonly memory: { readonly bytes: number };
  readonly tasks: { values(): readonly { readonly jobsOut: number }[] };
  readonly blockedBytes: number;
}

/** Parts of an object that the scheme of the simulation has under way. */
const SCHEME_PARTS = 2;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface LoadOptions extends Partial<StreamOptions> {
  readonly keys?: readonly string[];
  /** The plan does not tell sizes. */
  readonly unsized?: boolean;
  /** The consumer leaves after so many batches. */
  readonly breakAfter?: number;
  /** How long the consumer keeps each batch. */
  readonly holdMs?: number;
  readonly token?: CancellationToken | null;
  /** The piece of each object that is wanted, instead of all of it. */
  readonly piece?: { readonly start: number; readonly length: number };
  /** How long each pull of the plan takes. */
  readonly planMs?: number;
  /** The plan fails behind so many objects. */
  readonly planFailsAfter?: number;
  /** Somebody else consumes it, with `take`, `giveBack` and `end`. */
  readonly byHand?: boolean;
}

/** What a load needs of its world. */
export interface LoadWorld {
  readonly supervisor: Supervisor;
  readonly arena: Arena;
  readonly sim: { readonly context: SupervisorContext; readonly now: number; readonly steps: number };
  readonly options: {
    readonly sizes: Readonly<Record<string, number>>;
    readonly sites?: FaultSites;
    readonly origin?: { readonly checksums?: boolean };
  };
  readonly stops: { token: CancellationToken | null; atMs: number; graceMs: number }[];
  readonly largestBytes: number;
  sizeOf(key: string, version: string | null): number;
  arrivedWrong(key: string): boolean;
}

/** What a plan fails with. */
export const PLAN_FAILED = new MillraceError(ErrorCode.InvalidArgument, 'the plan of the service broke');

const DEFAULTS: StreamOptions = {
  order: 'sequence',
  batchSize: 2,
  batchBytes: 64 * 1024,
  dropLast: false,
  windowObjects: 8,
  windowBytes: 128 * 1024,
  maxConcurrentObjects: 8,
  ranges: null,
  onError: 'fail',
  transform: null,
  verify: 'never',
  maxAttempts: 4,
  throttleTimeoutMs: 60_000,
};

/** The stream option that goes with `several`. */
export const SEVERAL = { url: 'sim:several', options: null };

/** Objects of the version `v3` have the bytes of the third generation. */
function generationOf(version: string | null): number {
  return version === null ? 0 : Number(version.slice(1));
}

/** What `several` makes of an object, by the number at the end of its key. */
const MADE = ['nothing', 'itself', 'value and head', 'more than it was'] as const;

function madeOf(key: string): (typeof MADE)[number] {
  return MADE[Number(key.slice(-1)) % MADE.length]!;
}

/** Nothing, one item or two; bytes in place, bytes that outgrow their lease, and a value. */
export const several: TransformFunction = (bytes, { key, version }) => {
  const wrong = verifyPattern(objectIdOf(key, generationOf(version)), 0, bytes);
  if (wrong >= 0) throw new Error(`${key} reached its transform wrong from byte ${wrong}`);
  switch (madeOf(key)) {
    case 'nothing':
      return null;
    case 'itself':
      return bytes;
    case 'value and head':
      return [{ key }, bytes.subarray(0, bytes.length >> 1)];
    case 'more than it was':
      return patternBytes(objectIdOf(key), 2 * bytes.length + 5000);
  }
};

export class Load {
  readonly keys: readonly string[];
  readonly stream: StreamHandle;
  readonly options: StreamOptions;
  /** `key#index` of each item, in the order in which they came. */
  readonly handed: string[] = [];
  /** What was wrong with an item, in words. */
  readonly faults: string[] = [];
  /** `key#index` of each item that was acknowledged. */
  readonly acknowledged = new Set<string>();
  /** Somebody else has ended it. */
  finished = false;
  record: TerminalRecord | null = null;
  /** Virtual time at which its record was there. */
  overAtMs = Infinity;
  failure: unknown = null;
  readonly #world: LoadWorld;
  readonly #options: LoadOptions;

  constructor(world: LoadWorld, options: LoadOptions) {
    this.#world = world;
    this.#options = options;
    this.keys = options.keys ?? Object.keys(world.options.sizes);
    const { token = null } = options;
    this.options = { ...DEFAULTS, ...options };
    this.stream = world.supervisor.openStream(this.options, this.#plan(), token);
    if (options.byHand !== true) void this.#consume();
  }

  get over(): boolean {
    return this.record !== null;
  }

  get token(): CancellationToken | null {
    return this.#options.token ?? null;
  }

  get byHand(): boolean {
    return this.#options.byHand === true;
  }

  /** It waits for the batch in the hands of its consumer, and for a pull of its plan that is under way. */
  get slackMs(): number {
    return (this.#options.holdMs ?? 0) + (this.#options.planMs ?? 0);
  }

  /** Whether it is the stream that workers know by these. */
  isKnownBy(slot: number, epoch: number): boolean {
    return this.#inside.slot === slot && this.#inside.epoch === epoch;
  }

  get planFails(): boolean {
    return (this.#options.planFailsAfter ?? Infinity) <= this.keys.length;
  }

  get #transformed(): boolean {
    return (this.#options.transform ?? null) !== null;
  }

  /** Every label that a whole run hands out, in order. */
  get expected(): string[] {
    return this.keys.flatMap((key) => this.#labelsOf(key));
  }

  #labelsOf(key: string): string[] {
    if (!(key in this.#world.options.sizes)) return [];
    if (!this.#transformed) return [`${key}#0`];
    const made = madeOf(key);
    if (made === 'nothing') return [];
    return made === 'value and head' ? [`${key}#0`, `${key}#1`] : [`${key}#0`];
  }

  /** What it has more of than it may have, in words; nothing, if all is well. */
  boundFaults(draw: Pick<Draw, 'struck'>): string[] {
    if (this.over) return [];
    const { maxConcurrentObjects, windowObjects, windowBytes, batchSize, batchBytes } = this.options;
    const { tasksOut, ledger, memory, tasks } = this.#inside;
    const wrong: string[] = [];
    if (tasksOut > maxConcurrentObjects) wrong.push(`${tasksOut} objects are with workers at the same time`);
    if (ledger.open > windowObjects)
      wrong.push(`${ledger.open} objects are admitted, and ${windowObjects} may be`);
    // A part is under way for some steps, and to list the tasks at each of them costs a twentieth of the run.
    if (this.#world.sim.steps % 4 === 0) {
      const parts = tasks.values().reduce((most, { jobsOut }) => Math.max(most, jobsOut), 0);
      const mostParts = this.options.ranges?.maxPerObject ?? SCHEME_PARTS;
      if (parts > mostParts) wrong.push(`${parts} parts of an object are under way, and ${mostParts} may be`);
    }
    if (memory.bytes <= windowBytes) return wrong;
    // What turns out larger than it was said to be is not given back for that, nor what was made smaller and is evicted.
    const known =
      this.#options.unsized !== true && !this.#transformed && draw.struck('store.version-change') === 0;
    // What waits for the rest of its batch counts again when it is evicted.
    const pending = Math.min(batchBytes, (batchSize - 1) * this.#world.largestBytes);
    const most = Math.max(windowBytes, this.#world.largestBytes) + ITEM_ALIGN_BYTES + pending;
    if (known && memory.bytes > most)
      wrong.push(`${memory.bytes} bytes are on their way, and ${most} may be`);
    return wrong;
  }

  /** What is wrong with a load that is over, in words; nothing, if all is well. */
  violations(): string[] {
    const { record } = this;
    if (record === null) return ['it is not over'];
    const wrong = [...this.faults];
    const { planned, delivered, filtered, failed, dropped, left } = record;
    if (planned !== delivered + filtered + failed + dropped + left) {
      wrong.push(`the record does not add up: ${JSON.stringify(record)}`);
    }
    if (Math.min(planned, delivered, filtered, failed, dropped, left) < 0) {
      wrong.push(`a column of the record is negative: ${JSON.stringify(record)}`);
    }
    if (record.items !== this.handed.length) {
      wrong.push(`${record.items} items are in the record, ${this.handed.length} were handed out`);
    }
    if (new Set(this.handed).size !== this.handed.length) wrong.push(`twice: ${this.handed.join(' ')}`);
    if (planned > this.keys.length) wrong.push(`${planned} planned of ${this.keys.length}`);
    if (record.cursor.objects > planned) wrong.push('the cursor is behind what was planned');
    wrong.push(...this.#orderFaults(), ...this.#cursorFaults());
    if (this.failure === PLAN_FAILED && record.reason !== 'failed')
      wrong.push(`${record.reason}, by its plan`);
    if (this.planFails && (record.reason === 'completed' || planned > this.#options.planFailsAfter!))
      wrong.push(`${record.reason} with ${planned} objects, though its plan failed`);
    if (record.reason === 'completed') {
      const missing = this.expected.filter((label) => !this.handed.includes(label));
      const excused = failed + dropped;
      if (missing.length > 0 && excused === 0) wrong.push(`never came: ${missing.join(' ')}`);
      if (planned !== this.keys.length || left !== 0 || record.listed !== 'complete') {
        wrong.push(`completed, but ${JSON.stringify(record)}`);
      }
    }
    return wrong;
  }

  /**
   * The cursor stands behind the last object before which nothing is missing; what was filtered or skipped is not, and may be
   * known or not where the load did not come to its end.
   */
  #cursorFaults(): string[] {
    const { cursor, failures, reason } = this.record!;
    const skipped = new Set(this.options.onError === 'skip' ? failures.map(({ uri }) => uri) : []);
    const isNeeded = (key: string): boolean => this.#labelsOf(key).length > 0 && !skipped.has(`sim://${key}`);
    const isMissing = (key: string): boolean =>
      !this.#labelsOf(key).every((label) => this.acknowledged.has(label));
    const first = this.keys.findIndex((key) => isNeeded(key) && isMissing(key));
    const most = first < 0 ? this.keys.length : first;
    let least = most;
    if (reason !== 'completed') {
      const open = this.keys.findIndex((key) => !isNeeded(key));
      if (this.options.order === 'completion' && open >= 0) least = Math.min(least, open);
      while (least > 0 && !isNeeded(this.keys[least - 1]!)) least -= 1;
    }
    const labels = this.#labelsOf(this.keys[cursor.objects] ?? '');
    const items = labels.findIndex((label) => !this.acknowledged.has(label));
    if (cursor.objects < least || cursor.objects > most)
      return [`the cursor is at ${cursor.objects}, and acknowledged is everything before ${most}`];
    return cursor.items === Math.max(0, items) ? [] : [`the cursor is at item ${cursor.items}, not ${items}`];
  }

  #orderFaults(): string[] {
    const { expected, handed } = this;
    if (this.#options.order === 'completion') return [];
    // Skipped objects leave holes, but never change the order; without any, what came is a prefix.
    const places = handed.map((label) => expected.indexOf(label));
    if (places.some((place, i) => place < 0 || (i > 0 && place <= places[i - 1]!))) {
      return [`out of order: ${handed.join(' ')}`];
    }
    const holes = places.length > 0 ? places.at(-1)! + 1 - places.length : 0;
    return holes > 0 && this.record!.failed === 0 ? [`holes: ${handed.join(' ')}`] : [];
  }

  #plan(): { next: (limit: number) => Promise<PlanEntry[] | null> } {
    let at = 0;
    let pulls = 0;
    const { sizes } = this.#world.options;
    const { planMs = 0, planFailsAfter = Infinity } = this.#options;
    return {
      next: async (limit) => {
        pulls += 1;
        if (pulls > 1) this.faults.push('the plan was asked again before it had answered');
        if (planMs > 0) await this.#wait(planMs);
        pulls -= 1;
        if (at >= planFailsAfter) {
          this.#world.options.sites?.struck('task.plan-fails');
          throw PLAN_FAILED;
        }
        if (at >= this.keys.length) return null;
        const some = this.keys.slice(at, (at += Math.min(limit, planFailsAfter - at)));
        const piece = this.#options.piece ?? { start: 0, length: -1 };
        const plain = { store: STORE, version: null, pinned: false, ...piece };
        const size = (key: string): number => (this.#options.unsized === true ? -1 : (sizes[key] ?? 64));
        return some.map((key) => ({ ...plain, key: encoder.encode(key), size: size(key) }));
      },
    };
  }

  /** The next batch, looked at; null at the end. */
  async take(): Promise<BatchRecord | null> {
    const batch = await this.#next();
    if (batch === null) return null;
    if (this.over) this.faults.push('a batch came after the record');
    this.#look(batch, 'when it came');
    this.#lookAtBatch(batch);
    for (const item of batch.items) this.handed.push(`${decoder.decode(item.entry.key)}#${item.index}`);
    const { sites } = this.#world.options;
    if (sites?.strikes('task.cancel-at-delivery') === true) this.#cancel('at delivery');
    return batch;
  }

  async #next(): Promise<BatchRecord | null> {
    try {
      return await this.stream.next();
    } catch (thrown) {
      const { budgetBytes, usedBytes, chargedBytes } = this.#world.arena.stats();
      const freeBytes = budgetBytes - usedBytes - chargedBytes;
      const { blockedBytes } = this.#inside;
      if ((thrown as MillraceError).code === ErrorCode.BudgetHeldByConsumer && freeBytes >= blockedBytes)
        this.faults.push(`it was refused ${blockedBytes} bytes, and ${freeBytes} are free`);
      throw thrown;
    }
  }

  get #inside(): StreamInside {
    return this.stream as unknown as StreamInside;
  }

  #cancel(reason: string): void {
    const { token = null } = this.#options;
    if (token === null) return;
    this.#world.stops.push({ token, atMs: this.#world.sim.now, graceMs: 0 });
    token.cancel(reason);
  }

  #lookAtBatch({ items, bytes }: BatchRecord): void {
    const { batchSize, batchBytes } = this.options;
    if (items.length === 0 || items.length > batchSize)
      this.faults.push(`a batch of ${items.length} items came instead of ${batchSize}`);
    if (bytes > batchBytes && items.length > 1)
      this.faults.push(`a batch of ${items.length} items has ${bytes} bytes, and may have ${batchBytes}`);
  }

  giveBack(batch: BatchRecord): void {
    this.#look(batch, 'when it was released');
    this.stream.release(batch);
    this.stream.acknowledge(batch);
    for (const { entry, index } of batch.items)
      this.acknowledged.add(`${decoder.decode(entry.key)}#${index}`);
  }

  async end(): Promise<void> {
    this.record = await this.stream.finish('break');
    this.overAtMs = this.#world.sim.now;
    if (this.#world.options.sites?.strikes('task.cancel-after-end') === true) this.#cancel('after the end');
    // Nothing is delivered after the record.
    const late = await this.stream.next().catch(() => null);
    if (late !== null) this.faults.push(`${late.items.length} items were delivered after the record`);
  }

  async #consume(): Promise<void> {
    const { holdMs = 0, breakAfter = Infinity } = this.#options;
    let batches = 0;
    try {
      for (let batch = await this.take(); batch !== null; batch = await this.take()) {
        if (holdMs > 0) await this.#wait(holdMs);
        this.giveBack(batch);
        batches += 1;
        if (batches >= breakAfter) break;
      }
    } catch (thrown) {
      this.failure = thrown;
    }
    await this.end();
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#world.sim.context.after(ms, resolve);
    });
  }

  #look(batch: BatchRecord, when: string): void {
    for (const item of batch.items) {
      const fault = this.#faultOf(item);
      if (fault !== null)
        this.faults.push(`${decoder.decode(item.entry.key)}#${item.index} ${when}: ${fault}`);
    }
  }

  #faultOf({ entry, payload, index, version, verified }: ItemRecord): string | null {
    const key = decoder.decode(entry.key);
    const size = this.#world.sizeOf(key, version);
    const made = this.#transformed ? madeOf(key) : 'itself';
    if (payload.kind === 'value') {
      const right =
        made === 'value and head' && index === 0 && (payload.value as { key: string }).key === key;
      return right ? null : `the value ${JSON.stringify(payload.value)}`;
    }
    const { start, length: asked } = this.#options.piece ?? { start: 0, length: Infinity };
    const length = {
      nothing: -1,
      itself: Math.min(asked, size - start),
      'value and head': size >> 1,
      'more than it was': 2 * size + 5000,
    }[made];
    const bytes =
      payload.kind === 'bytes'
        ? payload.bytes
        : new Uint8Array(this.#world.arena.buffer, payload.offset, payload.length);
    if (bytes.length !== length) return `${bytes.length} bytes instead of ${length}`;
    // What outgrew its object is made anew, and tells of no version.
    const generation = made === 'more than it was' ? 0 : generationOf(version);
    const wrong = verifyPattern(objectIdOf(key, generation), start, bytes);
    // Where nobody has looked, what arrived wrong is delivered: no promise is broken by that.
    const excused = verified === null && this.#world.arrivedWrong(key);
    const always = this.#options.verify === 'always' && this.#options.piece === undefined;
    const told = this.#world.options.origin?.checksums === true && size > 0;
    if (always && told && verified === null) return 'it was not verified';
    return wrong < 0 || (excused && !always) ? null : `wrong from byte ${wrong}`;
  }
}
