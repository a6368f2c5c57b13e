/**
 * Decorators of stores, the package's entry `millrace/decorators`: each takes a store and gives one with the same
 * contract, so they can be put around each other.
 */
export type { DecoratorClock } from './clock.js';
export { decorate, type DecoratorSpec } from './declared.js';
export { latency } from './latency.js';
export { limit } from './limit.js';
export type { LatencyOptions, LimitOptions, ThrottleOptions } from './options.js';
export { prefix } from './prefix.js';
export { throttle } from './throttle.js';
