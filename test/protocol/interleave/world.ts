/**
 * What the threads of a model share: words and queues, as values, so that a state can be gone back to for nothing.
 *
 * The shipped code is given `sharedWords(name)` where it expects an Int32Array. That object answers to nothing but the
 * double of `Atomics` below: a plain read or write of a shared word, which real threads could see torn or late, throws.
 */

/** One thing that a thread does to what others see, described so that two runs of the same code can be compared. */
export interface Step {
  readonly verb: string;
  /** `name[index]` of a word, or the name of a queue. */
  readonly on: string;
  readonly values: readonly unknown[];
}

export interface World {
  readonly words: ReadonlyMap<string, number>;
  /** Posted and not arrived. */
  readonly queues: ReadonlyMap<string, readonly unknown[]>;
  /** All that was ever posted, in order; for claims about what was lost. */
  readonly posted: ReadonlyMap<string, readonly unknown[]>;
}

/** What each verb leaves in a word that held `old`. */
const WORD_VERBS: Readonly<Record<string, (old: number, a: number, b: number) => number>> = {
  load: (old) => old,
  store: (_, value) => value,
  add: (old, value) => old + value,
  sub: (old, value) => old - value,
  and: (old, value) => old & value,
  or: (old, value) => old | value,
  xor: (old, value) => old ^ value,
  exchange: (_, value) => value,
  compareExchange: (old, expected, value) => (old === expected ? value : old),
};

export function emptyWorld(words: Readonly<Record<string, number>> = {}): World {
  return { words: new Map(Object.entries(words)), queues: new Map(), posted: new Map() };
}

/** The world after a step, and what the step gives back to the thread that made it. */
export function applyStep(world: World, step: Step): { world: World; result: unknown } {
  const { verb, on, values } = step;
  if (verb === 'post') return { world: posted(world, on, values[0]), result: undefined };
  if (verb === 'take') return { world: withQueue(world, on, []), result: [...(world.queues.get(on) ?? [])] };
  const old = world.words.get(on) ?? 0;
  const [a = 0, b = 0] = values as number[];
  const now = WORD_VERBS[verb]!(old, a, b) | 0;
  const result = verb === 'store' ? now : old;
  if (now === old) return { world, result };
  return { world: { ...world, words: new Map(world.words).set(on, now) }, result };
}

/** The oldest message of a queue, and the world in which it has arrived. */
export function arriveFrom(world: World, queue: string): { world: World; message: unknown } {
  const [message, ...rest] = world.queues.get(queue)!;
  return { world: withQueue(world, queue, rest), message };
}

export function describeStep({ verb, on, values }: Step): string {
  return `${verb} ${on}${values.length === 0 ? '' : ` ${JSON.stringify(values).slice(1, -1)}`}`;
}

function posted(world: World, queue: string, message: unknown): World {
  const all = [...(world.posted.get(queue) ?? []), message];
  const open = [...(world.queues.get(queue) ?? []), message];
  return { ...withQueue(world, queue, open), posted: new Map(world.posted).set(queue, all) };
}

function withQueue(world: World, queue: string, messages: readonly unknown[]): World {
  return { ...world, queues: new Map(world.queues).set(queue, messages) };
}

const names = new WeakMap<object, string>();

/** Stands for an Int32Array in shared memory; the same name is the same memory. */
export function sharedWords(name: string): Int32Array {
  const refuse = (_: object, key: string | symbol): never => {
    throw new Error(`shared words are touched without Atomics: ${name}[${String(key)}]`);
  };
  const words = new Proxy({}, { get: refuse, set: refuse });
  names.set(words, name);
  return words as Int32Array;
}

const real = globalThis.Atomics;

/** Puts the double in the place of `Atomics`. Other memory goes to the real one. Returns the function that undoes it. */
export function interceptAtomics(perform: (step: Step) => unknown): () => void {
  const double = Object.create(real) as Record<string, unknown>;
  for (const key of Reflect.ownKeys(real)) {
    const original = Reflect.get(real, key) as unknown;
    if (typeof key !== 'string' || typeof original !== 'function') continue;
    double[key] = (array: object, index: number, ...values: number[]): unknown => {
      const name = names.get(array);
      if (name === undefined) return Reflect.apply(original, real, [array, index, ...values]);
      if (!(key in WORD_VERBS)) throw new Error(`Atomics.${key} is not in the model`);
      return perform({ verb: key, on: `${name}[${index}]`, values });
    };
  }
  Reflect.set(globalThis, 'Atomics', double);
  return () => void Reflect.set(globalThis, 'Atomics', real);
}
