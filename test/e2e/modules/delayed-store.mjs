/** The store of `pattern-store.mjs` with decorators around it, as a user's module puts them there. */
import { latency, limit } from '../../../dist/decorators/index.js';
import { createStore as createPatternStore } from './pattern-store.mjs';

export function createStore(snapshot) {
  return limit(latency(createPatternStore(snapshot), { ms: 1, jitterMs: 1, seed: 7 }), { concurrency: 2 });
}
