/** A transform that blocks its thread on the item whose first byte is that of its options, until they let it go. Word 2 counts its calls. */
export default function transform(
  /** @type {Uint8Array} */ bytes,
  /** @type {import('../../../dist/index.js').TransformContext} */ { options },
) {
  const { words, first } = /** @type {{words: Int32Array, first: number}} */ (options);
  Atomics.add(words, 2, 1);
  if (bytes[0] === first) {
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
    Atomics.wait(words, 1, 0);
    Atomics.sub(words, 0, 1);
    Atomics.notify(words, 0);
  }
  return bytes;
}
