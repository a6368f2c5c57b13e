/**
 * Decorators as options: a list for each scheme, checked where it is given and applied in every worker.
 *
 * Invariant: what is declared holds for a store over all workers together: each of them is dealt its share.
 */
import type { AsyncStore } from '../protocol/store.js';
import type { DecoratorClock } from './clock.js';
import { latency } from './latency.js';
import { limit } from './limit.js';
import {
  checkLatency,
  checkLimit,
  checkNames,
  checkPrefix,
  checkThrottle,
  invalid,
  type LatencyOptions,
  type LimitOptions,
  type ThrottleOptions,
} from './options.js';
import { prefix } from './prefix.js';
import { throttle } from './throttle.js';

/** One decorator by its name, with its options. */
export type DecoratorSpec =
  | { readonly limit: LimitOptions }
  | { readonly throttle: ThrottleOptions }
  | { readonly prefix: string }
  | { readonly latency: LatencyOptions };

const CHECKS: Readonly<Record<string, (given: unknown, name: string) => unknown>> = {
  limit: checkLimit,
  throttle: checkThrottle,
  prefix: checkPrefix,
  latency: checkLatency,
};

/** @throws MillraceError InvalidArgument */
export function parseDecorators(given: unknown, name: string): readonly DecoratorSpec[] {
  if (!Array.isArray(given)) throw invalid(name, 'an array such as [{latency: {ms: 20}}]', given);
  return given.map((spec: unknown, i) => {
    const each = `${name}[${i}]`;
    checkNames(Object.keys(CHECKS), spec, each);
    const [entry, ...more] = Object.entries(spec as object);
    if (entry === undefined || more.length > 0) {
      throw invalid(
        each,
        'one decorator, such as {latency: {ms: 20}}',
        more.length === 0 ? 'none' : 'several',
      );
    }
    const [kind, options] = entry as [string, unknown];
    return { [kind]: CHECKS[kind]!(options, `${each}.${kind}`) } as unknown as DecoratorSpec;
  });
}

/**
 * What one of so many workers applies.
 * @throws MillraceError InvalidArgument for a limit that leaves a worker without a call
 */
export function shareOf(
  specs: readonly DecoratorSpec[],
  workers: number,
  name: string,
): readonly DecoratorSpec[] {
  return specs.map((spec, i) => {
    if ('limit' in spec) {
      const { concurrency } = spec.limit;
      if (concurrency < workers) {
        throw invalid(
          `${name}[${i}].limit.concurrency`,
          `at least one call for each of ${workers} workers`,
          concurrency,
        );
      }
      return { limit: { concurrency: Math.floor(concurrency / workers) } };
    }
    if (!('throttle' in spec)) return spec;
    const { bytesPerSecond, requestsPerSecond } = checkThrottle(spec.throttle, `${name}[${i}].throttle`);
    return {
      throttle: {
        ...(bytesPerSecond === undefined
          ? {}
          : { bytesPerSecond: Math.max(1, Math.floor(bytesPerSecond / workers)) }),
        ...(requestsPerSecond === undefined ? {} : { requestsPerSecond: requestsPerSecond / workers }),
      },
    };
  });
}

/** Each decorator around what the ones before it have made: the last one is met first. */
export function decorate(
  store: AsyncStore,
  specs: readonly DecoratorSpec[],
  clock?: DecoratorClock,
): AsyncStore {
  let decorated = store;
  for (const spec of specs) {
    if ('limit' in spec) decorated = limit(decorated, spec.limit);
    else if ('throttle' in spec) decorated = throttle(decorated, spec.throttle, clock);
    else if ('prefix' in spec) decorated = prefix(decorated, spec.prefix);
    else decorated = latency(decorated, spec.latency, clock);
  }
  return decorated;
}
