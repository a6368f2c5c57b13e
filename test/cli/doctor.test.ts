/** `millrace doctor`: what it tells of this machine, and of a service. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CREDENTIALS,
  credentialFinding,
  nodeFinding,
  PACKAGES,
  packageFinding,
} from '../../dist/cli/health.js';
import { BUCKET, documents, openWorld, type World } from './writing.kit.js';

const ROOT = `s3://${BUCKET}/`;
let world: World;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.origin.stop());
afterEach(() => world.origin.reset());

async function begin(key: string): Promise<void> {
  const response = await fetch(`${world.origin.url}/${BUCKET}/${key}?uploads`, { method: 'POST' });
  expect(response.status).toBe(200);
}

describe('doctor', () => {
  it('tells of Node, packages, checksums and credentials, and no secret', async () => {
    const { code, stdout } = await world.run('doctor', '--json');
    expect(code).toBe(0);
    const findings = documents(stdout);
    const of = (name: string) => findings.find(({ check }) => check === name);
    expect(of('Node.js')).toMatchObject({ state: 'ok', detail: process.version });
    expect(of('@aws-sdk/client-s3')).toMatchObject({ state: 'ok' });
    expect(of('crc64nvme')).toMatchObject({ state: 'ok', detail: 'webassembly' });
    expect(of('s3:// credentials')).toMatchObject({
      detail: expect.stringContaining('AWS_ACCESS_KEY_ID is set'),
    });
    const { accessKeyId, secretAccessKey } = world.origin.credentials;
    for (const secret of [accessKeyId, secretAccessKey]) expect(stdout).not.toContain(secret);
  });

  it('tells whether a URI can be listed, with 1 where it cannot', async () => {
    const good = await world.run('doctor', ROOT);
    expect([good.code, good.stdout]).toEqual([0, expect.stringMatching(/^ok +listing +s3:\/\/open\/$/m)]);
    const bad = await world.run('doctor', 's3://none/');
    expect([bad.code, bad.stdout]).toEqual([1, expect.stringMatching(/^failed +listing +NotFound: /m)]);
    const wrong = await world.run('doctor', 'nosuch://x/');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('unknown scheme')]);
  });

  it('lists uploads that were never ended below the URI, leaves young ones, and aborts those that are old', async () => {
    for (const key of ['a/1', 'a/2', 'b']) await begin(key);
    const list = async (...args: string[]) => {
      const { code, stdout } = await world.run('doctor', '--json', ...args);
      expect(code).toBe(0);
      return documents(stdout)
        .filter(({ check }) => check === 'upload')
        .map(({ uri, action }) => `${String(action)} ${String(uri)}`);
    };
    const left = [`left ${ROOT}a/1`, `left ${ROOT}a/2`];
    expect(await list(`${ROOT}a/`)).toEqual(left);
    expect(await list(`${ROOT}a/`, '--abort-older-than', '100000h')).toEqual(left);
    expect(await world.uploads()).toEqual(['a/1', 'a/2', 'b']);
    const would = left.map((line) => line.replace('left', 'would-abort'));
    expect(await list(`${ROOT}a/`, '--abort-older-than', '0ms', '--dry-run')).toEqual(would);
    expect(await world.uploads()).toEqual(['a/1', 'a/2', 'b']);
    const aborted = left.map((line) => line.replace('left', 'aborted'));
    expect(await list(`${ROOT}a/`, '--abort-older-than', '0ms')).toEqual(aborted);
    expect(await world.uploads()).toEqual(['b']);
    const text = await world.run('doctor', ROOT, '--abort-older-than', '0ms');
    expect(text.stdout).toMatch(/^\d{4}-\S+Z {2}aborted {6}s3:\/\/open\/b {2}\S+$/m);
  });

  it('refuses an age that is none, and one without a URI', async () => {
    for (const args of [
      ['--abort-older-than', '1 day', ROOT],
      ['--abort-older-than', '24h'],
      ['--dry-run'],
    ]) {
      expect((await world.run('doctor', ...args)).code, args.join(' ')).toBe(2);
    }
  });

  it('tells whether files can be read past the page cache', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-doctor-'));
    try {
      writeFileSync(join(folder, 'a'), 'a');
      const { code, stdout } = await world.run('doctor', folder, '--json');
      const finding = documents(stdout).find(({ check }) => check === 'O_DIRECT');
      expect([code, finding]).toEqual([
        0,
        { state: expect.stringMatching(/ok|missing/), check: 'O_DIRECT', detail: expect.any(String) },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('findings', () => {
  it('compare the version of Node number by number', () => {
    const state = (version: string) => nodeFinding(version, '>=20.19.0').state;
    expect(['v20.19.0', 'v20.20.1', 'v24.0.0', 'v100.0.0'].map(state)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(['v20.18.9', 'v18.20.0', 'v9.99.0'].map(state)).toEqual(['failed', 'failed', 'failed']);
  });

  it('tell how to install a package that is not there', () => {
    const finding = packageFinding({ ...PACKAGES[0]!, name: '@millrace/none' });
    expect(finding).toMatchObject({
      state: 'missing',
      detail: expect.stringContaining('npm install @millrace/none'),
    });
  });

  it('name variables and files of credentials, and never what is in them', () => {
    const [s3] = CREDENTIALS;
    const env = { AWS_ACCESS_KEY_ID: 'AKIASECRET', AWS_PROFILE: '', HOME: '/home/x' };
    const finding = credentialFinding(s3!, env, (path) => path === '/home/x/.aws/config');
    expect(finding).toMatchObject({
      state: 'ok',
      detail: 'found: AWS_ACCESS_KEY_ID is set, /home/x/.aws/config',
    });
    expect(credentialFinding(s3!, {}, () => false).state).toBe('none');
  });
});
