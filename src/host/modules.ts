/** Modules that are named at run time: store data halves, users' stores, users' transforms. Imported in the workers. */
import type { TransformFunction } from '../protocol/context.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { StoreData } from '../protocol/http.js';
import type { StoreSpec, TransformSpec } from '../protocol/messages.js';
import type { AsyncStore, Store, StoreSnapshot } from '../protocol/store.js';
import { customStore } from './custom-store.js';

async function load(url: string, what: string): Promise<Record<string, unknown>> {
  try {
    return (await import(url)) as Record<string, unknown>;
  } catch (cause) {
    throw new MillraceError(
      ErrorCode.ModuleUnavailable,
      `the ${what} ${url} could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      { phase: 'prepare', cause },
    );
  }
}

function exported(
  module: Record<string, unknown>,
  name: string,
  url: string,
): (argument: StoreSnapshot) => unknown {
  const value = module[name];
  if (typeof value === 'function') return value as (argument: StoreSnapshot) => unknown;
  throw new MillraceError(
    ErrorCode.ModuleUnavailable,
    `${url} exports no function ${name}: a module of this kind has to export one`,
    { phase: 'prepare' },
  );
}

/** A data half for each of these snapshots. */
export async function loadStoreData(
  spec: StoreSpec,
  snapshots: readonly StoreSnapshot[],
): Promise<StoreData[]> {
  const module = await load(spec.dataModule, `store module of ${spec.name},`);
  const create = exported(module, 'createStoreData', spec.dataModule);
  return snapshots.map((snapshot) => create(snapshot) as StoreData);
}

export async function loadDirectStore(spec: StoreSpec): Promise<Store> {
  const module = await load(spec.dataModule, `store module of ${spec.name},`);
  // A user's function may be an asynchronous one.
  const store = await exported(module, 'createStore', spec.dataModule)(spec.snapshot);
  return spec.kind === 'custom' ? customStore(store as AsyncStore) : (store as Store);
}

export async function loadTransform(spec: TransformSpec): Promise<TransformFunction> {
  const module = await load(spec.url, 'transform');
  return exported(module, 'default', spec.url) as unknown as TransformFunction;
}
