/**
 * Region and endpoint from the environment and the shared AWS configuration files.
 *
 * The SDK could read both, but looks an endpoint up in AWS_PROFILE only, whatever profile a client was given, and
 * asks the instance metadata service for a region before it says that there is none: a wait of a second on every
 * machine that is not an EC2 instance. Credentials are left to the SDK entirely.
 *
 * Source of the format: "Configuration and credential file settings" and "Service-specific endpoints" in the AWS SDKs
 * and Tools reference guide.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type Env = Readonly<Record<string, string | undefined>>;

export interface AmbientSettings {
  readonly region: string | null;
  readonly endpoint: string | null;
  /** Where the endpoint was found, for error messages. */
  readonly endpointOrigin: string;
}

type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Looks in the environment first, then in the profile's section. A file that cannot be read counts as empty. */
export async function ambientSettings(profileOption: string | undefined, env: Env): Promise<AmbientSettings> {
  // To the SDK, which finds the credentials, an empty variable is one that is not set.
  const name = (profileOption ?? env.AWS_PROFILE) || 'default';
  const home = env.HOME || env.USERPROFILE || homedir();
  const config = await readSections(env.AWS_CONFIG_FILE || join(home, '.aws', 'config'));
  const shared = await readSections(env.AWS_SHARED_CREDENTIALS_FILE || join(home, '.aws', 'credentials'));
  const lookup = (key: string): string | undefined =>
    config.get(name === 'default' && config.has('default') ? 'default' : `profile ${name}`)?.get(key) ??
    shared.get(name)?.get(key);
  const services = lookup('services');
  const ofProfile =
    (services === undefined ? undefined : config.get(`services ${services}`)?.get('s3.endpoint_url')) ??
    lookup('endpoint_url');
  const ignored = env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS || lookup('ignore_configured_endpoint_urls');
  const candidates: [string | undefined, string][] = [
    [env.AWS_ENDPOINT_URL_S3, 'environment variable AWS_ENDPOINT_URL_S3'],
    [env.AWS_ENDPOINT_URL, 'environment variable AWS_ENDPOINT_URL'],
    [ofProfile, `endpoint_url of profile "${name}"`],
  ];
  const found = ignored?.toLowerCase() === 'true' ? undefined : candidates.find(([value]) => Boolean(value));
  return {
    region: env.AWS_REGION || lookup('region') || null,
    endpoint: found?.[0] ?? null,
    endpointOrigin: found?.[1] ?? '',
  };
}

async function readSections(path: string): Promise<Sections> {
  try {
    return parseIni(await readFile(path, 'utf8'));
  } catch {
    // No file is the common case; one that cannot be read is reported by the SDK when it wants credentials from it.
    return new Map();
  }
}

/** Sections of an AWS configuration file; an indented key below `s3 =` is named `s3.key`. */
export function parseIni(text: string): Sections {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let parent = '';
  for (const line of text.split(/\r?\n/)) {
    const content = line.replace(/(^|\s)[#;].*$/, '').trimEnd();
    if (content.trim() === '') continue;
    const header = /^\[\s*(.+?)\s*\]$/.exec(content);
    if (header !== null) {
      const name = header[1]!.replace(/\s+/g, ' ').replace(/"/g, '');
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      parent = '';
      continue;
    }
    const pair = /^(\s*)([^=\s]+)\s*=\s*(.*)$/.exec(content);
    if (pair === null || section === undefined) continue;
    const [, indent, key, value] = pair as unknown as [string, string, string, string];
    if (indent === '') {
      parent = value === '' ? key : '';
      if (value !== '') section.set(key, value);
    } else if (parent !== '') section.set(`${parent}.${key}`, value);
  }
  return sections;
}
