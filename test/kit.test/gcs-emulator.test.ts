import { Storage } from '@google-cloud/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gcsEmulatorAvailable, startGcsEmulator, type GcsEmulator } from '../kit/gcs-emulator.mjs';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { skipUnless } from '../kit/require-server.mjs';
import { remains, started } from './server-traces.js';

const client = ({ url, projectId }: GcsEmulator): Storage =>
  new Storage({ apiEndpoint: url, projectId, retryOptions: { autoRetry: false } });

describe.skipIf(skipUnless(gcsEmulatorAvailable()))('the emulator of Google Cloud Storage', () => {
  let server: GcsEmulator;
  beforeAll(async () => {
    server = await startGcsEmulator();
  });
  afterAll(() => server?.stop());

  test('gives back what was put, by the JSON API and by the XML path', async () => {
    const body = Buffer.from(patternBytes(objectIdOf('k'), 100_000));
    await client(server).bucket('kit').file('d/k').save(body, { resumable: false });
    for (const path of ['storage/v1/b/kit/o/d%2Fk?alt=media', 'kit/d/k']) {
      const bytes = new Uint8Array(await (await fetch(`${server.url}/${path}`)).arrayBuffer());
      expect([path, bytes.length, verifyPattern(objectIdOf('k'), 0, bytes)]).toEqual([path, 100_000, -1]);
    }
  });

  test('copies at the path that the service documents', async () => {
    const objects = `${server.url}/storage/v1/b/kit/o`;
    await fetch(`${server.url}/upload/storage/v1/b/kit/o?uploadType=media&name=from`, {
      method: 'POST',
      body: 'copied',
    });
    const copied = await fetch(`${objects}/from/rewriteTo/b/kit/o/to`, { method: 'POST' });
    expect(await copied.json()).toMatchObject({ done: true, resource: { name: 'to' } });
    expect(await (await fetch(`${objects}/to?alt=media`)).text()).toBe('copied');
  });

  test('does not know what another one has, and its stop leaves no process and no directory', async () => {
    const { server: other, traces } = await started(startGcsEmulator);
    expect(traces.length).toBe(1);
    await client(server).bucket('two').file('k').save('of the first', { resumable: false });
    await client(other).bucket('two').file('other').save('of the second', { resumable: false });
    expect(await client(other).bucket('two').file('k').exists()).toEqual([false]);
    expect(await client(server).bucket('two').file('other').exists()).toEqual([false]);
    await Promise.all([other.stop(), other.stop()]);
    expect(remains(traces)).toEqual([]);
    await expect(fetch(other.url)).rejects.toThrow('fetch failed');
  });
});
