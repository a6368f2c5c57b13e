/**
 * A transform that, with one key, waits for a word and then ends its thread: so the test knows what else is under way.
 *
 * `options.words` is shared by all threads: word 0 counts the threads that wait, word 1 lets them go, word 2 counts deaths.
 */
export default async function killer(bytes, { key, options }) {
  const { words, kills, deaths } = options;
  if (key !== kills || Atomics.load(words, 2) >= deaths) return bytes;
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  // Nothing but this timer keeps the thread awake.
  const alive = setInterval(() => {}, 1000);
  await Atomics.waitAsync(words, 1, 0).value;
  clearInterval(alive);
  Atomics.add(words, 2, 1);
  process.exit(7);
}
