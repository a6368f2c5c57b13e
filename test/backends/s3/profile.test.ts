import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ambientSettings } from '../../../dist/backends/s3/profile.js';

const EMPTY = { AWS_PROFILE: '', AWS_CONFIG_FILE: '', AWS_SHARED_CREDENTIALS_FILE: '' };
let HOME: string;
beforeAll(async () => {
  HOME = await mkdtemp(join(tmpdir(), 'millrace-home-'));
  await mkdir(join(HOME, '.aws'));
  const endpoint = 'endpoint_url = http://127.0.0.1:5\nignore_configured_endpoint_urls = true\n';
  await writeFile(
    join(HOME, '.aws', 'config'),
    `[default]\nregion = eu-west-3\n[profile other]\n${endpoint}`,
  );
  await writeFile(join(HOME, '.aws', 'credentials'), '[other]\nregion = eu-west-2\n');
});
afterAll(() => rm(HOME, { recursive: true }));

describe('an AWS variable that is set and empty', () => {
  it('is as good as none for the profile and for both files', async () => {
    expect(await ambientSettings(undefined, { ...EMPTY, HOME })).toMatchObject({ region: 'eu-west-3' });
    expect(await ambientSettings('other', { ...EMPTY, HOME })).toMatchObject({ region: 'eu-west-2' });
  });

  it('is as good as none for the home directory', async () => {
    const settings = await ambientSettings(undefined, { HOME: '', USERPROFILE: HOME });
    expect(settings.region).toBe('eu-west-3');
  });

  it('leaves to the profile whether endpoints are ignored', async () => {
    const env = { HOME, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: '' };
    expect(await ambientSettings('other', env)).toMatchObject({ endpoint: null });
  });
});
