/**
 * The control half of the s3 store, on the service's thread: it turns options, environment and profile into the
 * snapshot that the workers sign with, and keeps its credentials fresh. The SDK is loaded here and not before.
 *
 * Invariants:
 * 1. Credentials are resolved once for all open buckets with the same options, in the whole process; the source
 *    lives as long as one of these buckets is open.
 * 2. Concurrent calls of `snapshot` share one resolution; one that failed is not remembered.
 * 3. Every wait is bounded, and every rejection is a `MillraceError` without a secret in it.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { StoreControl, StoreSnapshot } from '../../protocol/store.js';
import { bounded } from '../http/bounded.js';
import { controlOf, createSharing, identityOf, remembered } from '../http/sharing.js';
import type { S3DataConfig } from './config.js';
import { createCredentialSource, type CredentialSource, type S3Generation } from './credentials.js';
import { discoverRegion, resolveAddress, type Address } from './endpoint.js';
import { checkEndpoint, checkOptions, type S3Options } from './options.js';
import { ambientSettings, type AmbientSettings, type Env } from './profile.js';
import { loadSdk, type SdkModule } from './sdk.js';
import { checkBucket } from './uri.js';

/** What the control half touches outside of itself; tests give their own. */
export interface ControlWorld {
  readonly importModule: (name: string) => Promise<unknown>;
  readonly now: () => number;
  readonly env: Env;
  readonly discoverRegion: (address: Address) => Promise<string | null>;
  readonly resolveTimeoutMs?: number;
  readonly imdsTimeoutMs?: number;
}

const PROCESS_WORLD: ControlWorld = {
  importModule: () => import('@aws-sdk/client-s3'),
  now: Date.now,
  env: process.env,
  discoverRegion,
};

/** Reading configuration files and evaluating rules is local; only a hung disk takes this long. */
const ADDRESS_TIMEOUT_MS = 10_000;

/** Opens the control half of one bucket. Rejects with `InvalidArgument` or `ModuleUnavailable`. */
export async function openS3Control(
  bucket: string,
  options: S3Options,
  world: ControlWorld = PROCESS_WORLD,
): Promise<StoreControl> {
  checkBucket(bucket, `s3://${bucket}`);
  checkOptions(options);
  const key = keyOf(options, world);
  const shared = sharing.acquire(key, () => createShared(options, world));
  try {
    // A missing SDK is the first thing to say, before anything is asked of the bucket.
    await shared.sdk();
  } catch (thrown) {
    sharing.release(key);
    throw thrown;
  }
  return createControl(bucket, { ...shared, options, world, release: () => sharing.release(key) });
}

/** What one bucket is opened with. */
interface Opened extends Shared {
  readonly options: S3Options;
  readonly world: ControlWorld;
  release(): void;
}

function createControl(bucket: string, shared: Opened): StoreControl {
  let addresses: Promise<Address[]> | null = null;

  function locate(): Promise<Address[]> {
    addresses ??= bounded(
      addressesOf(bucket, shared),
      ADDRESS_TIMEOUT_MS,
      `Looking for bucket "${bucket}"`,
    ).catch((thrown: unknown) => {
      addresses = null;
      throw thrown;
    });
    return addresses;
  }

  return controlOf(
    `s3://${bucket}`,
    async (staleVersion) => {
      const [where, generation] = await Promise.all([locate(), shared.source.after(staleVersion)]);
      return snapshotOf(bucket, shared, where, generation);
    },
    () => shared.release(),
  );
}

/** Where the bucket is reached: at each of the endpoints of the options, or at the one that they and the environment give. */
async function addressesOf(bucket: string, opened: Opened): Promise<Address[]> {
  const { endpoints } = opened.options;
  if (endpoints === undefined) return [await addressOf(bucket, opened)];
  return Promise.all(endpoints.map((endpoint) => addressOf(bucket, opened, endpoint)));
}

async function addressOf(
  name: string,
  { options, world, sdk, ambient }: Opened,
  given = options.endpoint,
): Promise<Address> {
  const [module, settings] = await Promise.all([sdk(), ambient()]);
  const endpoint = given ?? settings.endpoint;
  if (given === undefined && endpoint !== null) checkEndpoint(endpoint, settings.endpointOrigin);
  const known = options.region ?? settings.region ?? regionOfArn(name);
  // Servers other than AWS rarely look at the region, but a signature needs one; this is what they expect.
  const first = await resolveAddress(module, {
    bucket: name,
    region: known ?? 'us-east-1',
    endpoint,
    options,
  });
  if (known !== null || endpoint !== null) return first;
  const region = await world.discoverRegion(first);
  if (region !== null) return resolveAddress(module, { bucket: name, region, endpoint, options });
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `No region for bucket "${name}": none is set, and the bucket did not tell its own; ` +
      `set the s3 option region, or AWS_REGION`,
    { phase: 'configure', retryable: true },
  );
}

function regionOfArn(bucket: string): string | null {
  return bucket.startsWith('arn:') ? bucket.split(':')[3] || null : null;
}

function snapshotOf(
  bucket: string,
  opened: Opened,
  addresses: readonly Address[],
  generation: S3Generation,
): StoreSnapshot {
  const configs = addresses.map((address) => configOf(bucket, opened, address, generation));
  const snapshot = {
    version: generation.number,
    expiresAtMs: generation.expiresAtMs,
    config: configs[0],
  };
  if (configs.length === 1) return snapshot;
  return { ...snapshot, endpoints: configs.map((config) => ({ name: nameOf(config), config })) };
}

/** An endpoint in reports. */
function nameOf({ origin, hostHeader }: S3DataConfig): string {
  return `${origin.secure ? 'https' : 'http'}://${hostHeader}`;
}

function configOf(
  bucket: string,
  { options, source }: Opened,
  { origin, pathPrefix, hostHeader, region, service }: Address,
  generation: S3Generation,
): S3DataConfig {
  return {
    bucket,
    origin,
    pathPrefix,
    hostHeader,
    region,
    service,
    credentials: generation.credentials,
    renewable: source.renewable,
    expectedBucketOwner: options.expectedBucketOwner ?? null,
    requesterPays: options.requesterPays ?? false,
    allowContentEncoding: options.allowContentEncoding ?? false,
  };
}

/** What all buckets with the same options share. */
interface Shared {
  readonly sdk: () => Promise<SdkModule>;
  readonly ambient: () => Promise<AmbientSettings>;
  readonly source: CredentialSource;
}

const sharing = createSharing<Shared>(({ source }) => source.close());

/** The options that decide which credentials there are; those that only address a bucket do not count. */
function keyOf(options: S3Options, world: ControlWorld): string {
  const { anonymous, credentials, endpoint, endpoints, profile, region } = options;
  return JSON.stringify([
    identityOf(world),
    identityOf(credentials),
    anonymous ?? false,
    profile ?? null,
    region ?? null,
    endpoints ?? endpoint ?? null,
  ]);
}

function createShared(options: S3Options, world: ControlWorld): Shared {
  const sdk = remembered(() => loadSdk(world.importModule));
  const ambient = remembered(() => ambientSettings(options.profile, world.env));
  const region = async (): Promise<string> => options.region ?? (await ambient()).region ?? 'us-east-1';
  return { sdk, ambient, source: createCredentialSource(options, { ...world, sdk, region }) };
}
