/**
 * Where a bucket is reached: host, path prefix, signing region and service, as the SDK's own endpoint rules say, so
 * that dual-stack, FIPS, access points, dotted names and custom endpoints come out as they do everywhere else.
 *
 * Invariants:
 * 1. The rules are asked once per bucket, with a client that never signs or sends: its one command ends at the first
 *    step after the rules.
 * 2. What cannot be signed here (multi-region access points need another algorithm) is refused by name, not sent.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Origin } from '../../protocol/http.js';
import { originOf } from '../http/origin.js';
import { regionName } from './error-body.js';
import type { S3Options } from './options.js';
import { SILENT_LOGGER, type SdkEndpoint, type SdkModule } from './sdk.js';

export interface Address {
  readonly origin: Origin;
  readonly pathPrefix: string;
  readonly hostHeader: string;
  readonly region: string;
  readonly service: string;
}

export interface Wanted {
  readonly bucket: string;
  readonly region: string;
  /** Base URL of the service, or null for AWS. */
  readonly endpoint: string | null;
  readonly options: S3Options;
}

/** Resolves the address of a bucket. Rejects with `InvalidArgument` or `Unsupported`. */
export async function resolveAddress(sdk: SdkModule, wanted: Wanted): Promise<Address> {
  const { bucket, region, options } = wanted;
  const found = await askRules(sdk, wanted);
  const scheme = found.properties?.authSchemes?.[0];
  if (scheme?.name !== undefined && scheme.name !== 'sigv4' && scheme.name !== 'sigv4-s3express') {
    throw new MillraceError(
      ErrorCode.Unsupported,
      `"${bucket}" needs requests signed with ${scheme.name}, which is not supported; use the bucket or a ` +
        `single-region access point instead of a multi-region one`,
      { phase: 'configure' },
    );
  }
  const { url } = found;
  return {
    origin: originOf(url, options.ca ?? null),
    pathPrefix: url.pathname.replace(/\/+$/, ''),
    hostHeader: url.host,
    region: scheme?.signingRegion ?? region,
    service: scheme?.signingName ?? 's3',
  };
}

async function askRules(sdk: SdkModule, wanted: Wanted): Promise<SdkEndpoint> {
  const { bucket, region, endpoint, options } = wanted;
  const client = new sdk.S3Client({
    region,
    logger: SILENT_LOGGER,
    // The identity is looked at before the rules, though nothing is signed.
    credentials: { accessKeyId: 'unused', secretAccessKey: 'unused' },
    // A session of a directory bucket would need a request; its objects can be read with plain signatures.
    disableS3ExpressSessionAuth: true,
    // The endpoint was looked up with the profile of the options; what AWS_PROFILE says must not come back in. Releases
    // that do not know this option are held to it by the parameters below.
    ignoreConfiguredEndpointUrls: true,
    ...(endpoint === null ? {} : { endpoint }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    ...(options.forcePathStyle === undefined ? {} : { forcePathStyle: options.forcePathStyle }),
  });
  let found: SdkEndpoint | undefined;
  const rules = client.config.endpointProvider;
  client.config.endpointProvider = (parameters, context): SdkEndpoint => {
    const Endpoint = endpoint === null ? undefined : parameters.Endpoint;
    const local = options.forcePathStyle === undefined && isLocal(Endpoint);
    found = rules({ ...parameters, Endpoint, ...(local ? { ForcePathStyle: true } : {}) }, context);
    return found;
  };
  client.middlewareStack.add(() => () => Promise.resolve({ output: { $metadata: {} }, response: {} }), {
    step: 'build',
    priority: 'high',
    name: 'millraceStopsHere',
  });
  try {
    await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  } catch (cause) {
    const reason =
      cause instanceof Error ? cause.message.split('\n', 1)[0]!.slice(0, 200) : 'no reason given';
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `No endpoint for bucket "${bucket}" in region "${region}": ${reason}`,
      { phase: 'configure' },
    );
  } finally {
    client.destroy();
  }
  if (found === undefined) {
    throw new MillraceError(
      ErrorCode.ModuleUnavailable,
      'The installed @aws-sdk/client-s3 did not ask its endpoint rules; use a release that the peer range allows',
      { phase: 'configure' },
    );
  }
  return found;
}

/** A bucket's name before an address or `localhost` makes a name that no resolver knows. */
function isLocal(endpoint: string | undefined): boolean {
  if (endpoint === undefined) return false;
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname.endsWith('.localhost') || isAddress(hostname);
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^\d{1,3}(\.\d{1,3}){3}$/.test(hostname);
}

/** Long enough for a connection across the world, short enough to wait for at the start of a service. */
const DISCOVERY_TIMEOUT_MS = 3_000;

/**
 * The region that the bucket says it is in: S3 puts `x-amz-bucket-region` on its answer to an unsigned HEAD in any
 * region of the partition, whatever the status. Null when there is no answer or it does not say.
 */
export function discoverRegion(address: Address): Promise<string | null> {
  const { origin, pathPrefix, hostHeader } = address;
  return new Promise((resolve) => {
    const request = (origin.secure ? httpsRequest : httpRequest)({
      host: origin.host,
      port: origin.port,
      method: 'HEAD',
      path: `${pathPrefix}/`,
      headers: { Host: hostHeader },
      agent: false,
      // Not left to NODE_TLS_REJECT_UNAUTHORIZED: what this answer says decides where signed requests go.
      rejectUnauthorized: true,
      ...(origin.ca === null ? {} : { ca: origin.ca }),
    });
    const timer = setTimeout(() => request.destroy(), DISCOVERY_TIMEOUT_MS);
    const end = (region: string | null): void => {
      clearTimeout(timer);
      request.destroy();
      resolve(region);
    };
    request.on('response', (response) => {
      const header = response.headers['x-amz-bucket-region'];
      end(regionName(typeof header === 'string' ? header : null));
    });
    // After `end` this hears the error of the destroyed socket, which must not be unhandled.
    request.on('error', () => end(null));
    request.on('close', () => end(null));
    request.end();
  });
}
