/**
 * One row per scheme: how a test puts objects where the scheme finds them, and how a runtime is told of the place.
 *
 * What is claimed of "every store" is a test over these rows; a new scheme is a row here, and nothing else.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Runtime } from '../../dist/index.js';
import {
  startOrigin,
  type DialectName,
  type Fault,
  type Origin,
  type OriginOptions,
} from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { s3Options, type StartOptions } from './kit.js';

/** The bearer token that every origin of this kit knows from its start. */
export const TOKEN = 'token-of-the-stores-kit';

/** A service of HTTP, played by the scripted origin. */
export interface Service {
  readonly scheme: 's3' | 'az' | 'gs';
  readonly dialect: DialectName;
  uriOf(origin: Origin, bucket: string, key: string): string;
  /** Options of the scheme for an origin. */
  options(origin: Origin, changes?: object): Record<string, unknown>;
  /** The checksum that it tells of every object, or null where it tells none of some. */
  readonly checksum: string | null;
  /** Whether the answer to a range tells the checksum of the whole. */
  readonly tellsInRanges: boolean;
  /** Leaves out of an answer what tells the version. */
  readonly unversioned: Fault;
}

const S3: Service = {
  scheme: 's3',
  dialect: 's3',
  uriOf: (_origin, bucket, key) => `s3://${bucket}/${key}`,
  options: s3Options,
  checksum: 'crc32',
  tellsInRanges: false,
  unversioned: { lie: 'no-etag' },
};

const AZ: Service = {
  scheme: 'az',
  dialect: 'azure',
  uriOf: ({ account }, container, key) => `az://${account.name}/${container}/${key}`,
  options: ({ url, account }, changes = {}) => ({
    endpoint: `${url}/${account.name}`,
    accountKey: account.key,
    ...changes,
  }),
  // An MD5, and only of what was written by one request.
  checksum: null,
  tellsInRanges: false,
  unversioned: { lie: 'no-etag' },
};

const GS: Service = {
  scheme: 'gs',
  dialect: 'gcs',
  uriOf: (_origin, bucket, key) => `gs://${bucket}/${key}`,
  options: ({ url }, changes = {}) => ({
    endpoint: url,
    credentials: () => Promise.resolve({ accessToken: TOKEN }),
    ...changes,
  }),
  checksum: 'crc32c',
  tellsInRanges: true,
  unversioned: { headers: { 'X-Goog-Generation': null, ETag: null } },
};

export const SERVICES: readonly Service[] = [S3, AZ, GS];

/** An origin that plays a service. */
export function startService(service: Service, options: OriginOptions = {}): Promise<Origin> {
  const tokens = service.dialect === 's3' ? {} : { tokens: [{ token: TOKEN }] };
  return startOrigin({ dialect: service.dialect, ...tokens, ...options });
}

/** A runtime over the origin of a service. */
export function runtimeOf(service: Service, origin: Origin, options: StartOptions = {}): Promise<Runtime> {
  return Runtime.start({
    workers: 2,
    memoryBudget: '128MiB',
    maxConnections: 16,
    stores: { [service.scheme]: service.options(origin) },
    ...options,
  });
}

/** Where a scheme gets credentials that expire, and what it got there. */
export interface CredentialSource {
  /** Options of the scheme. */
  readonly options: Record<string, unknown>;
  /** Ends what was fetched last, before its time. */
  expire(): Promise<void>;
  /** When each was fetched. */
  fetchedAtMs(): readonly number[];
}

export interface RenewingRow {
  readonly service: Service;
  /** With a lifetime, what is fetched expires by the clock of the origin. */
  readonly begin: (origin: Origin, lifetimeMs?: number) => Promise<CredentialSource>;
}

/** A function of the test that makes credentials, tells the origin of them, and is counted. */
function counted<T>(make: (number: number) => Promise<T>): { ask: () => Promise<T>; times: number[] } {
  const times: number[] = [];
  return {
    times,
    ask: () => {
      times.push(Date.now());
      return make(times.length);
    },
  };
}

const HOUR_MS = 3_600_000;

const SESSIONS: RenewingRow = {
  service: S3,
  begin: (origin) => {
    const made = (n: number) => ({
      accessKeyId: `AKIAGENERATION0000${String(n).padStart(2, '0')}`,
      secretAccessKey: `secret-of-generation-${n}`,
      sessionToken: `token-of-generation-${n}`,
    });
    const { ask, times } = counted(async (n) => {
      // Those before stay known, as expired.
      const before = Array.from({ length: n - 1 }, (_, i) => ({ ...made(i + 1), expired: true }));
      await origin.configure({ credentials: [...before, made(n)] });
      return made(n);
    });
    return Promise.resolve({
      options: s3Options(origin, { credentials: ask }),
      expire: () => origin.expire(made(times.length).accessKeyId),
      fetchedAtMs: () => times,
    });
  },
};

const TOKENS: RenewingRow = {
  service: AZ,
  begin: (origin, lifetimeMs = HOUR_MS) => {
    const { ask, times } = counted(async (n) => {
      const token = `token-of-generation-${n}`;
      const expiresAtMs = Date.now() + lifetimeMs;
      await origin.configure({ tokens: [{ token, expiresAtMs }] });
      return { token, expiresOnTimestamp: expiresAtMs };
    });
    return Promise.resolve({
      options: AZ.options(origin, { accountKey: undefined, credential: { getToken: ask } }),
      expire: () => origin.expire(`token-of-generation-${times.length}`),
      fetchedAtMs: () => times,
    });
  },
};

const METADATA: RenewingRow = {
  service: GS,
  begin: async (origin, lifetimeMs = HOUR_MS) => {
    await origin.configure({ tokenLifetimeSeconds: lifetimeMs / 1000 });
    const { ask, times } = counted(async () => {
      const url = `${origin.url}/computeMetadata/v1/instance/service-accounts/default/token`;
      const answer = await fetch(url, { headers: { 'Metadata-Flavor': 'Google' } });
      const { access_token: accessToken } = (await answer.json()) as { access_token: string };
      return { accessToken, expiration: new Date(Date.now() + lifetimeMs) };
    });
    return {
      options: GS.options(origin, { credentials: ask }),
      // As the origin numbers what it issues.
      expire: () => origin.expire(`ya29.issued-metadata-${times.length}`),
      fetchedAtMs: () => times,
    };
  },
};

export const RENEWING: readonly RenewingRow[] = [SESSIONS, TOKENS, METADATA];

export interface Entry {
  readonly key: string;
  readonly size: number;
}

/** Objects, each with the pattern of its key, where one scheme finds them. */
export interface Place {
  readonly stores: Record<string, unknown>;
  /** Of a key, or of all keys that begin with it. */
  uriOf(key: string): string;
  /** The key that an item was made with. */
  keyOf(item: { readonly key: string }): string;
  close(): Promise<void>;
}

export interface PlaceRow {
  readonly scheme: string;
  readonly open: (entries: readonly Entry[]) => Promise<Place>;
}

const BUCKET = 'place';

function served(service: Service): PlaceRow {
  return {
    scheme: service.scheme,
    open: async (entries) => {
      const origin = await startService(service, {
        objects: entries.map((entry) => ({ bucket: BUCKET, ...entry })),
      });
      return {
        stores: { [service.scheme]: service.options(origin) },
        uriOf: (key) => service.uriOf(origin, BUCKET, key),
        keyOf: ({ key }) => key,
        close: () => origin.stop(),
      };
    },
  };
}

/** A folder with the objects as files. Keys may not have empty segments. */
function onDisk(scheme: 'file' | 'direct'): PlaceRow {
  return {
    scheme,
    open: (entries) => {
      const root = mkdtempSync(join(tmpdir(), `millrace-${scheme}-`));
      // Call by call: ten thousand promises would take four times as long.
      for (const folder of new Set(entries.map(({ key }) => dirname(join(root, key)))))
        mkdirSync(folder, { recursive: true });
      for (const { key, size } of entries)
        writeFileSync(join(root, key), patternBytes(objectIdOf(key), size));
      // Whether the filesystem of temporary files takes O_DIRECT is not what is tested here.
      const options = scheme === 'direct' ? { root, fallback: 'buffered' } : { root };
      return Promise.resolve({
        stores: { [scheme]: options },
        // Encoded by another hand than the one that decodes it; a slash at the end stays.
        uriOf: (key) => pathToFileURL(`${root}/${key}`).href.replace(/^file:/, `${scheme}:`),
        keyOf: ({ key }) => key,
        close: () => Promise.resolve(rmSync(root, { recursive: true })),
      });
    },
  };
}

export const PLACES: readonly PlaceRow[] = [...SERVICES.map(served), onDisk('file'), onDisk('direct')];
