/**
 * The control half of the gs store, on the service's thread: it turns options and environment into the snapshot that the
 * workers authorize their requests with, and keeps it fresh. The SDK is loaded here, when it is needed to find credentials.
 *
 * Invariants:
 * 1. Tokens are asked for once for all open buckets with the same options, in the whole process; what is asked lives as
 *    long as one of these buckets is open.
 * 2. Concurrent calls of `snapshot` share one question; one that failed is not remembered.
 * 3. Every wait is bounded, and every rejection is a `MillraceError` without a secret in it.
 */
import type { StoreControl, StoreSnapshot } from '../../protocol/store.js';
import { controlOf, createSharing, identityOf, remembered } from '../http/sharing.js';
import type { GcsDataConfig } from './config.js';
import {
  asksForTokens,
  createCredentialSource,
  needsSdk,
  type CredentialSource,
  type GcsGeneration,
} from './credentials.js';
import { addressOf, checkTokensMayGo, type Address, type Env } from './endpoint.js';
import { checkOptions, type GcsOptions } from './options.js';
import { loadSdk } from './sdk.js';
import { bucketOf } from './uri.js';

/** What the control half touches outside of itself; tests give their own. */
export interface ControlWorld {
  readonly importModule: (name: string) => Promise<unknown>;
  readonly now: () => number;
  readonly env: Env;
  readonly resolveTimeoutMs?: number;
}

const PROCESS_WORLD: ControlWorld = {
  importModule: () => import('@google-cloud/storage'),
  now: Date.now,
  env: process.env,
};

/** Opens the control half of one bucket (`gs://bucket`). Rejects with `InvalidArgument` or `ModuleUnavailable`. */
export async function openGcsControl(
  store: string,
  options: GcsOptions,
  world: ControlWorld = PROCESS_WORLD,
): Promise<StoreControl> {
  const bucket = bucketOf(store);
  checkOptions(options);
  const address = addressOf(options, world.env);
  if (asksForTokens(options, address.emulated)) checkTokensMayGo(address);
  const key = keyOf(options, address, world);
  const shared = sharing.acquire(key, () => createShared(options, address, world));
  try {
    // A missing package is the first thing to say, before anything is asked of the bucket.
    if (needsSdk(options, address.emulated)) await shared.sdk();
  } catch (thrown) {
    sharing.release(key);
    throw thrown;
  }
  return controlOf(
    store,
    async (staleVersion) => snapshotOf(bucket, options, address, await shared.source.after(staleVersion)),
    () => sharing.release(key),
  );
}

function snapshotOf(
  bucket: string,
  options: GcsOptions,
  address: Address,
  generation: GcsGeneration,
): StoreSnapshot {
  const config: GcsDataConfig = {
    bucket,
    ...address,
    auth: generation.credentials,
    userProject: options.userProject ?? null,
    allowContentEncoding: options.allowContentEncoding ?? false,
  };
  return { version: generation.number, expiresAtMs: generation.expiresAtMs, config };
}

/** What all buckets with the same options share. */
interface Shared {
  readonly sdk: () => ReturnType<typeof loadSdk>;
  readonly source: CredentialSource;
}

const sharing = createSharing<Shared>(({ source }) => source.close());

/** The options that decide which credentials there are; keys and functions count by identity, so that none becomes text. */
function keyOf(options: GcsOptions, { emulated }: Address, world: ControlWorld): string {
  const { anonymous, credentials, hmac, keyFilename, projectId } = options;
  return JSON.stringify([
    identityOf(world),
    identityOf(credentials),
    identityOf(hmac),
    emulated || (anonymous ?? false),
    keyFilename ?? null,
    projectId ?? null,
  ]);
}

function createShared(options: GcsOptions, { emulated }: Address, world: ControlWorld): Shared {
  const sdk = remembered(() => loadSdk(world.importModule));
  return { sdk, source: createCredentialSource(options, emulated, { ...world, sdk }) };
}
