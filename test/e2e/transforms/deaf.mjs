/** Says that it was called, in word 0 of its options, and never settles, whatever its signal says. */
export default function deaf(_bytes, { options: { words } }) {
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  return new Promise(() => {});
}
