/** A transform that waits for nothing but its signal: word 0 of its options counts those that wait. */
export default async function transform(
  /** @type {Uint8Array} */ _bytes,
  /** @type {import('../../../dist/index.js').TransformContext} */ { options, signal },
) {
  const { words } = /** @type {{words: Int32Array}} */ (options);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  // Wait ends: with the cancel of the loader.
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve);
  });
  Atomics.sub(words, 0, 1);
}
