/**
 * What is on its way, by a whole number that mostly grows: tasks by sequence, jobs by id.
 *
 * A `Map` that things pass through rehashes every so often, and V8 keeps each table that it left reachable from the one
 * before: once the first of them is old, whatever any of them ever held survives until the next full collection. Four
 * tenths of all garbage of the service thread did. This one clears what is taken out, in place.
 *
 * Invariants:
 * 1. Nothing that was deleted is referred to.
 * 2. Memory grows with the most that was ever held at the same time, whatever the numbers.
 * 3. From where a number belongs to where it is, no slot is empty.
 */
const FIRST_SLOTS = 64;
/**
 * 2^32 over the golden ratio (Knuth's multiplicative hashing). Numbers that follow each other would otherwise stand in one
 * long row, all of which a deletion has to look at: 0.5 us per object.
 */
const SCATTER = 0x9e3779b1;

export class IntMap<V extends object> {
  /** A power of two of slots, at most half of them in use. */
  #values: (V | undefined)[] = emptySlots(FIRST_SLOTS);
  #keys = new Float64Array(FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  /** What is left of 32 bits is the number of a slot. */
  #shift = Math.clz32(FIRST_SLOTS - 1);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: number): V | undefined {
    return this.#values[this.#find(key)];
  }

  set(key: number, value: V): void {
    let at = this.#find(key);
    if (this.#values[at] === undefined) {
      if ((this.#size + 1) * 2 > this.#values.length) {
        this.#grow();
        at = this.#find(key);
      }
      this.#size += 1;
    }
    this.#keys[at] = key;
    this.#values[at] = value;
  }

  delete(key: number): boolean {
    const values = this.#values;
    const keys = this.#keys;
    const mask = this.#mask;
    let hole = this.#find(key);
    if (values[hole] === undefined) return false;
    // What stands behind moves up, unless it would come to stand before the place where it is looked for first.
    for (let next = (hole + 1) & mask; values[next] !== undefined; next = (next + 1) & mask) {
      if (((next - this.#home(keys[next]!)) & mask) < ((next - hole) & mask)) continue;
      values[hole] = values[next];
      keys[hole] = keys[next]!;
      hole = next;
    }
    values[hole] = undefined;
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#values.fill(undefined);
    this.#size = 0;
  }

  /** A list of its own, by growing number: for what is rare. */
  values(): V[] {
    const entries: (readonly [key: number, value: V])[] = [];
    for (const [at, value] of this.#values.entries()) {
      if (value !== undefined) entries.push([this.#keys[at]!, value]);
    }
    return entries.sort(([a], [b]) => a - b).map(([, value]) => value);
  }

  /** Where the number is, or the empty slot where it would be. */
  #find(key: number): number {
    let at = this.#home(key);
    while (this.#values[at] !== undefined && this.#keys[at] !== key) at = (at + 1) & this.#mask;
    return at;
  }

  /** Where the number is looked for first. */
  #home(key: number): number {
    return Math.imul(key, SCATTER) >>> this.#shift;
  }

  #grow(): void {
    const values = this.#values;
    const keys = this.#keys;
    this.#values = emptySlots(values.length * 2);
    this.#keys = new Float64Array(values.length * 2);
    this.#mask = this.#values.length - 1;
    this.#shift = Math.clz32(this.#mask);
    for (const [at, value] of values.entries()) {
      if (value === undefined) continue;
      const to = this.#find(keys[at]!);
      this.#values[to] = value;
      this.#keys[to] = keys[at]!;
    }
  }
}

function emptySlots<V>(count: number): (V | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
