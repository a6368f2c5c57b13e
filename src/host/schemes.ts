/**
 * The schemes of a runtime: the built-in ones with their options, and users' own stores.
 *
 * A user's store is a module URL and a cloneable configuration. The module exports `createStore(snapshot)`, which
 * returns a `Store`; it is imported in every worker, and `snapshot.config` is the configuration.
 */
import { createAzureScheme } from '../backends/azure/scheme.js';
import { createDirectScheme, fallbackOf } from '../backends/file/direct-scheme.js';
import { createFileScheme } from '../backends/file/scheme.js';
import { createGcsScheme } from '../backends/gcs/scheme.js';
import { createMemoryScheme } from '../backends/memory/scheme.js';
import { createS3Scheme } from '../backends/s3/scheme.js';
import { checkNames, type ExplainRow, invalidOption } from '../loader/schema.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { shownUri } from '../protocol/shown-uri.js';
import type { Scheme } from '../protocol/store.js';
import type { WriteLimits } from '../protocol/writes.js';

export type { AzureAccessToken, AzureOptions, AzureTokenCredential } from '../backends/azure/scheme.js';
export type { GcsAccessToken, GcsHmacKey, GcsOptions, GcsServiceAccount } from '../backends/gcs/scheme.js';

/** A store of one's own, under `stores: {name: {module, config}}`; its URIs are `name://bucket/key`. */
export interface CustomStore {
  /** URL of the module that exports `createStore`. */
  readonly module: string | URL;
  /** Cloneable; reaches `createStore` as `snapshot.config`. */
  readonly config?: unknown;
}

export const BUILT_IN_SCHEMES = ['s3', 'az', 'gs', 'file', 'direct', 'memory'] as const;

/** Splits an object of more than this into ranges; the same as for the network stores that we know. */
const PART_BYTES = 8 * 1024 * 1024;

/** What a user's store is taken to allow; one that cannot says so in its answer. */
const CUSTOM_WRITES: WriteLimits = {
  multipartThreshold: 64 * 1024 * 1024,
  partBytes: PART_BYTES,
  partAlignment: 1,
  maxPartBytes: 5 * 1024 ** 3,
  maxParts: 10_000,
  maxObjectBytes: Infinity,
  deletesPerRequest: 1,
};

/** Options of the file scheme: a misspelt `root` would leave the whole filesystem open. */
export const FILE_OPTIONS = ['root'];
export const DIRECT_OPTIONS = ['root', 'fallback'];
export const CUSTOM_OPTIONS = ['module', 'config'];

/** @throws MillraceError InvalidArgument for an option that its scheme does not know */
export function createSchemes(stores: Readonly<Record<string, unknown>>): Scheme[] {
  checkNames(FILE_OPTIONS, stores.file ?? {}, 'stores.file');
  checkNames(DIRECT_OPTIONS, stores.direct ?? {}, 'stores.direct');
  for (const name of ['s3', 'az', 'gs']) {
    const given = stores[name] ?? {};
    if (typeof given === 'object' && !Array.isArray(given)) continue;
    throw invalidOption(`stores.${name}`, 'an object', given);
  }
  if (stores.memory !== undefined && !Array.isArray(stores.memory)) {
    throw invalidOption('stores.memory', 'an array of objects', stores.memory);
  }
  const schemes: Scheme[] = [
    createS3Scheme(stores.s3 ?? {}),
    createAzureScheme(stores.az ?? {}),
    createGcsScheme(stores.gs ?? {}),
    createFileScheme(stores.file ?? {}),
    createDirectScheme(stores.direct ?? {}),
    createMemoryScheme((stores.memory ?? []) as Parameters<typeof createMemoryScheme>[0]),
  ];
  for (const [name, given] of Object.entries(stores)) {
    if ((BUILT_IN_SCHEMES as readonly string[]).includes(name)) continue;
    checkNames(CUSTOM_OPTIONS, given, `stores.${name}`);
    schemes.push(customScheme(name, given as CustomStore));
  }
  return schemes;
}

/** What of the options of schemes is no secret, and says how bytes are read. */
export function explainStores(stores: Readonly<Record<string, unknown>>): readonly ExplainRow[] {
  const { fallback } = (stores.direct ?? {}) as { fallback?: unknown };
  return [
    {
      option: 'stores.direct.fallback',
      value: fallbackOf(fallback),
      origin: fallback === undefined ? 'default' : 'given',
      reason: 'what direct: does where a filesystem refuses O_DIRECT; buffered reads fill the page cache',
    },
  ];
}

function customScheme(name: string, store: CustomStore): Scheme {
  const module = String(store.module);
  const pattern = new RegExp(`^${name.replaceAll(/[+.-]/g, String.raw`\$&`)}://([^/]*)/?(.*)$`, 's');
  return {
    name,
    kind: 'custom',
    writes: CUSTOM_WRITES,
    dataModule: module,
    defaults: {
      splitThreshold: PART_BYTES,
      partBytes: PART_BYTES,
      maxPartsPerObject: 16,
    },
    parse: (uri) => {
      const match = pattern.exec(uri);
      if (match === null) {
        throw new MillraceError(
          ErrorCode.InvalidArgument,
          `${shownUri(uri)} is not a URI of this store: expected ${name}://bucket/key`,
          {
            phase: 'configure',
          },
        );
      }
      return { store: `${name}://${match[1]}`, key: Buffer.from(match[2]!) };
    },
    format: ({ store: bucket, key }) => `${bucket}/${Buffer.from(key).toString()}`,
    open: (bucket) => {
      const config = { ...(store.config as object | undefined), bucket: bucket.slice(name.length + 3) };
      return Promise.resolve({
        snapshot: () => Promise.resolve({ version: 1, expiresAtMs: null, config }),
        close: () => {},
      });
    },
  };
}

/** Names of the schemes that options may be given for: the built-in ones and those that are complete stores. */
export function schemeNames(stores: unknown): string[] {
  const custom = Object.entries((stores ?? {}) as Record<string, unknown>)
    .filter(([, value]) => typeof value === 'object' && value !== null && 'module' in value)
    .map(([name]) => name);
  return [...BUILT_IN_SCHEMES, ...custom];
}
