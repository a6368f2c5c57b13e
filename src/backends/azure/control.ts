/**
 * The control half of the az store, on the service's thread: it turns options and environment into the snapshot that the
 * workers authorize their requests with, and keeps it fresh. `@azure/identity` is loaded here, when nothing else is given.
 *
 * Invariants:
 * 1. A credential is asked once for all open containers that share it, in the whole process; what is asked lives as long
 *    as one of these containers is open.
 * 2. Concurrent calls of `snapshot` share one question; one that failed is not remembered.
 * 3. Every wait is bounded, and every rejection is a `MillraceError` without a secret in it.
 */
import type { StoreControl, StoreSnapshot } from '../../protocol/store.js';
import { controlOf, createSharing, identityOf, remembered } from '../http/sharing.js';
import { bodyChecksumOf } from './checksums.js';
import { choose, type Env, type Source } from './choice.js';
import type { AzureDataConfig } from './config.js';
import { createCredentialSource, type AzureGeneration, type CredentialSource } from './credentials.js';
import { addressOf, type Address } from './endpoint.js';
import { checkOptions, DEFAULT_API_VERSION, type AzureOptions } from './options.js';
import { loadChain } from './sdk.js';
import { containerOf, type ContainerName } from './uri.js';

/** What the control half touches outside of itself; tests give their own. */
export interface ControlWorld {
  readonly importModule: (name: string) => Promise<unknown>;
  readonly now: () => number;
  readonly env: Env;
  readonly resolveTimeoutMs?: number;
}

const PROCESS_WORLD: ControlWorld = {
  importModule: () => import('@azure/identity'),
  now: Date.now,
  env: process.env,
};

/** Opens the control half of one container. Rejects with `InvalidArgument` or `ModuleUnavailable`. */
export async function openAzureControl(
  store: string,
  options: AzureOptions,
  world: ControlWorld = PROCESS_WORLD,
): Promise<StoreControl> {
  const name = containerOf(store);
  checkOptions(options);
  const choice = choose(name.account, options, world.env);
  const address = addressOf(name, options, choice);
  const key = keyOf(choice.source, world);
  const shared = sharing.acquire(key, () => createShared(choice.source, world));
  try {
    // A missing package is the first thing to say, before anything is asked of the container.
    if (choice.source.kind === 'chain') await shared.chain();
  } catch (thrown) {
    sharing.release(key);
    throw thrown;
  }
  return controlOf(
    store,
    async (staleVersion) =>
      snapshotOf(store, name, options, address, await shared.source.after(staleVersion)),
    () => sharing.release(key),
  );
}

function snapshotOf(
  store: string,
  { account, container }: ContainerName,
  options: AzureOptions,
  address: Address,
  generation: AzureGeneration,
): StoreSnapshot {
  const apiVersion = options.apiVersion ?? DEFAULT_API_VERSION;
  const config: AzureDataConfig = {
    store,
    account,
    container,
    ...address,
    apiVersion,
    bodyChecksum: bodyChecksumOf(account, apiVersion),
    auth: generation.credentials,
    allowContentEncoding: options.allowContentEncoding ?? false,
  };
  return { version: generation.number, expiresAtMs: generation.expiresAtMs, config };
}

/** What all containers with the same source share. */
interface Shared {
  readonly chain: ReturnType<typeof remembered<Awaited<ReturnType<typeof loadChain>>>>;
  readonly source: CredentialSource;
}

const sharing = createSharing<Shared>(({ source }) => source.close());
let nextKnown = 1;

/** What is known already is not asked for, and so not shared: no secret becomes part of a key. */
function keyOf(source: Source, world: ControlWorld): string {
  const what =
    source.kind === 'known'
      ? nextKnown++
      : source.kind === 'chain'
        ? 0
        : identityOf(source.kind === 'sas' ? source.ask : source.credential);
  return `${identityOf(world)} ${source.kind} ${what}`;
}

function createShared(source: Source, world: ControlWorld): Shared {
  const chain = remembered(() => loadChain(world.importModule));
  return { chain, source: createCredentialSource(source, { ...world, chain }) };
}
