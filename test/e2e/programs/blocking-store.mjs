/**
 * A store whose data half blocks its thread for good: `wait` in Atomics.wait, `spin` in a loop. Every other key is an
 * object of 1000 bytes that all are the first byte of its key.
 */
const OBJECT_BYTES = 1000;

/** @param {import('../../../dist/index.js').StoreSnapshot} snapshot @returns {import('../../../dist/index.js').Store} */
export function createStore(snapshot) {
  const words = /** @type {{words: Int32Array}} */ (snapshot.config).words;
  return {
    async read(request, target) {
      const key = Buffer.from(request.key).toString();
      block(key, words);
      const landed = Math.min(request.length, OBJECT_BYTES - request.start);
      target.fill(request.key[0] ?? 0, 0, landed);
      return {
        outcome: 'complete',
        landed,
        size: OBJECT_BYTES,
        version: null,
        error: null,
        retryAfterMs: 0,
      };
    },
    async head(key) {
      block(Buffer.from(key).toString(), words);
      const value = { size: OBJECT_BYTES, version: null, lastModifiedMs: null, contentType: null };
      return { outcome: 'complete', value, error: null, retryAfterMs: 0 };
    },
    async list() {
      throw new Error('this store has no listing');
    },
    update() {},
    close() {},
  };
}

/** Word 0 counts the threads that are blocked; they go on when word 1 is set. */
function block(/** @type {string} */ key, /** @type {Int32Array} */ words) {
  if (key !== 'wait' && key !== 'spin') return;
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  if (key === 'wait') Atomics.wait(words, 1, 0);
  else while (Atomics.load(words, 1) === 0);
  Atomics.sub(words, 0, 1);
  Atomics.notify(words, 0);
}
