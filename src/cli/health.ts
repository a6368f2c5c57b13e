/**
 * What `doctor` can tell without a URI: Node, optional packages, checksums, where credentials are.
 *
 * Invariant: of credentials the names of variables and files are told, and never what is in them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { implementation } from '../protocol/checksums/crc.js';

/** One line of the report. */
export interface Finding {
  /** `missing`: works without it, but not everything. `failed`: what was asked for does not work. */
  readonly state: 'ok' | 'missing' | 'failed' | 'none';
  readonly check: string;
  readonly detail: string;
}

export interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
}

export function readManifest(): Manifest {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Manifest;
}

/** Whether this Node is new enough. Pure. @param range as `engines` has it: `>=20.19.0` */
export function nodeFinding(version: string, range: string): Finding {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number);
  const [have, least] = [numbers(version), numbers(range)];
  const at = least.findIndex((number, i) => number !== (have[i] ?? 0));
  const isOk = at < 0 || (have[at] ?? 0) > least[at]!;
  const detail = isOk ? version : `${version}; expected ${range}: install a newer Node.js`;
  return { state: isOk ? 'ok' : 'failed', check: 'Node.js', detail };
}

interface OptionalPackage {
  readonly name: string;
  /** The scheme that needs it, or null. */
  readonly scheme: string | null;
  readonly purpose: string;
}

export const PACKAGES: readonly OptionalPackage[] = [
  { name: '@aws-sdk/client-s3', scheme: 's3', purpose: 's3:// needs it, for credentials and endpoints' },
  {
    name: '@azure/identity',
    scheme: 'az',
    purpose: 'for az:// without a key: managed identities and logins',
  },
  { name: '@google-cloud/storage', scheme: 'gs', purpose: 'for gs://' },
  { name: '@node-rs/crc32', scheme: null, purpose: 'CRC-32C in compiled code; WebAssembly does it without' },
];

/** Whether an optional package is there, and in which version. */
export function packageFinding({ name, purpose }: OptionalPackage, from: string = import.meta.url): Finding {
  const version = versionOf(name, from);
  if (version !== null) return { state: 'ok', check: name, detail: `${version}; ${purpose}` };
  return { state: 'missing', check: name, detail: `${purpose}: npm install ${name}` };
}

/** Looked for where Node looks, without loading it: a package may not export its manifest, and some take seconds to load. */
function versionOf(name: string, from: string): string | null {
  for (const folder of createRequire(from).resolve.paths(name) ?? []) {
    const path = join(folder, name, 'package.json');
    if (!existsSync(path)) continue;
    return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  }
  return null;
}

export function checksumFindings(): Finding[] {
  return (['crc32', 'crc32c', 'crc64nvme'] as const).map((name) => ({
    state: 'ok',
    check: name,
    detail: implementation(name),
  }));
}

/** Where the credentials of a scheme may come from, in the order in which they are looked for. */
interface CredentialPlaces {
  readonly scheme: string;
  readonly variables: readonly string[];
  readonly files: (env: Env) => readonly string[];
  /** What may give some that cannot be seen from here. */
  readonly otherwise: string;
}

export type Env = Readonly<Record<string, string | undefined>>;

const home = (env: Env, ...path: string[]): string => join(env['HOME'] ?? '/', ...path);

export const CREDENTIALS: readonly CredentialPlaces[] = [
  {
    scheme: 's3',
    variables: [
      'AWS_ACCESS_KEY_ID',
      'AWS_PROFILE',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
      'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    ],
    files: (env) => [
      env['AWS_SHARED_CREDENTIALS_FILE'] ?? home(env, '.aws', 'credentials'),
      env['AWS_CONFIG_FILE'] ?? home(env, '.aws', 'config'),
    ],
    otherwise: 'a role of the machine may give some; for public buckets there is --anonymous',
  },
  {
    scheme: 'az',
    variables: [
      'AZURE_STORAGE_CONNECTION_STRING',
      'AZURE_STORAGE_KEY',
      'AZURE_STORAGE_SAS_TOKEN',
      'AZURE_CLIENT_ID',
    ],
    files: () => [],
    otherwise: 'a managed identity or a login may give some',
  },
  {
    scheme: 'gs',
    variables: ['GOOGLE_APPLICATION_CREDENTIALS'],
    files: (env) => [home(env, '.config', 'gcloud', 'application_default_credentials.json')],
    otherwise: 'a service account of the machine may give some',
  },
];

/** Which of the places have something. */
export function credentialFinding(
  { scheme, variables, files, otherwise }: CredentialPlaces,
  env: Env,
  exists: (path: string) => boolean = existsSync,
): Finding {
  const set = variables.filter((name) => (env[name] ?? '') !== '').map((name) => `${name} is set`);
  const found = [...set, ...files(env).filter((path) => exists(path))];
  const check = `${scheme}:// credentials`;
  if (found.length > 0) return { state: 'ok', check, detail: `found: ${found.join(', ')}` };
  return { state: 'none', check, detail: `none in the environment or files; ${otherwise}` };
}
