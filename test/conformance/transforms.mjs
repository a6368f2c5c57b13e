/** Transforms for threads and for the simulation; what ends a thread is the runtime's own way. */

/** Makes of each object its first half and its size; of one whose size divides by three, nothing. */
export function halve(bytes, { size }) {
  return size % 3 === 0 ? null : [bytes.subarray(0, size >> 1), { size }];
}

/** Dies at the first object that it is shown in all the workers together; `once` is shared memory. */
export function createMortal(die) {
  return async (bytes, { options, size }) => {
    if (options?.once !== undefined && Atomics.exchange(options.once, 0, 1) === 0) await die();
    return halve(bytes, { size });
  };
}

export default createMortal(() => process.exit(1));
