/** Collects the heap of the worker that it runs in, and tells what is left of it. Wants `--expose-gc`. */
import { threadId } from 'node:worker_threads';

export default function collect() {
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { threadId, heapUsed, external, arrayBuffers };
}
