/** Pure core: keys, which are bytes and need not be text. */

/** Whether a key begins with these bytes; every key begins with none. */
export function beginsWith(key: Uint8Array, begin: Uint8Array): boolean {
  return Buffer.compare(key.subarray(0, begin.length), begin) === 0;
}
