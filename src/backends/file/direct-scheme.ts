/**
 * The `direct:` scheme: the same files, URIs and keys as `file:`, read past the page cache.
 *
 * For data that is larger than memory and read once per epoch: the page cache would keep none of it for the next one
 * and drop what the service needs instead. For files that fit into memory `file:` is faster.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Scheme, SchemeDefaults } from '../../protocol/store.js';
import type { DirectConfig, DirectFallback } from './direct-data.js';
import { createLocalScheme, type FileSchemeOptions } from './scheme.js';

export interface DirectSchemeOptions extends FileSchemeOptions {
  /**
   * What is done on a filesystem that refuses O_DIRECT: `'error'` fails with `Unsupported`, `'buffered'` reads through
   * the page cache and counts the bytes in `bufferedBytes` of the worker's statistics.
   * @default 'error': whoever asks for direct reads has a reason, and would not see that the page cache fills
   */
  readonly fallback?: DirectFallback;
}

const MIB = 1024 * 1024;

const DEFAULTS: SchemeDefaults = {
  // Without read-ahead one reader waits for each of its reads. A device of 2 GB/s gives 16 MiB in 8 ms, forty times
  // what it costs to hand out a part; smaller files are many, and keep the device busy beside each other.
  splitThreshold: 16 * MIB,
  // Four reads of 4 MiB, each long enough for a device to be at its full rate.
  partBytes: 16 * MIB,
  // Reads beside each other are what keeps a device busy; from 16 of this length on no device is faster, and on a
  // spinning disk each is one more seek.
  maxPartsPerObject: 16,
};

/** @throws MillraceError InvalidArgument when the root is not a path or the fallback is none */
export function createDirectScheme(options: DirectSchemeOptions = {}): Scheme {
  const fallback = fallbackOf(options.fallback);
  const dataModule = new URL('./direct-data.js', import.meta.url).href;
  return createLocalScheme('direct', options.root, DEFAULTS, dataModule, (root): DirectConfig => ({
    root,
    fallback,
  }));
}

/** @throws MillraceError InvalidArgument */
export function fallbackOf(given: unknown): DirectFallback {
  if (given === undefined) return 'error';
  if (given === 'error' || given === 'buffered') return given;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `stores.direct.fallback: expected 'error' or 'buffered'; given ${JSON.stringify(given)}`,
    { phase: 'configure' },
  );
}
