/**
 * A transform that ends its thread, at the moments it is told.
 *
 * `options.words` is shared by all threads: [first visits, deaths brought about, then the visits of each object].
 * `options.kills` maps the number of a first visit to the way to die; `options.poison` names the key that always kills.
 * The number of an object is the last number in its key.
 */
export const FIRST_VISITS = 0;
export const KILLS = 1;
export const VISITS = 2;

const WAYS = {
  throw: () => {
    setImmediate(() => {
      throw new Error('thrown outside of any try');
    });
    // It never settles: the thread is gone first.
    return new Promise(() => {});
  },
  reject: () => {
    void Promise.reject(new Error('rejected and never handled'));
    return new Promise(() => {});
  },
  late: (bytes) => {
    setImmediate(() => {
      throw new Error('thrown when the transform was over');
    });
    return bytes;
  },
  exit: () => process.exit(7),
  heap: () => {
    const hoard = [];
    for (;;) hoard.push({ a: hoard.length, b: [hoard.length] });
  },
};

export default function deadly(bytes, { key, options }) {
  const { words, kills, poison } = options;
  if (key === poison?.key) return WAYS[poison.way](bytes);
  const number = Number(/(\d+)\D*$/.exec(key)[1]);
  if (Atomics.add(words, VISITS + number, 1) > 0) return bytes;
  const way = kills.get(Atomics.add(words, FIRST_VISITS, 1) + 1);
  if (way === undefined) return bytes;
  Atomics.add(words, KILLS, 1);
  return WAYS[way](bytes);
}
