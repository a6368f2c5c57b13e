import { describe, expect, it } from 'vitest';
import { openS3Control } from '../../../dist/backends/s3/control.js';
import { createS3Scheme } from '../../../dist/backends/s3/scheme.js';
import type { StoreSnapshot } from '../../../dist/protocol/store.js';
import { configOf, world } from './control-kit.js';

const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret-of-the-test' };

async function snapshotOf(options: object): Promise<StoreSnapshot> {
  const control = await openS3Control('logs', options, world());
  const snapshot = await control.snapshot(0);
  control.close();
  return snapshot;
}

describe('a bucket at several endpoints', () => {
  it('has one configuration for each, and the credentials are resolved once for all', async () => {
    let asked = 0;
    const credentials = (): Promise<typeof KEY> => {
      asked += 1;
      return Promise.resolve(KEY);
    };
    const endpoints = ['http://127.0.0.1:9000', 'https://s3.example.com', 'https://example.com:8443/s3/'];
    const snapshot = await snapshotOf({ credentials, endpoints, forcePathStyle: true });
    const all = snapshot.endpoints!.map(
      ({ name, config }) => [name, configOf({ ...snapshot, config })] as const,
    );
    expect(all.map(([name]) => name)).toEqual([
      'http://127.0.0.1:9000',
      'https://s3.example.com',
      'https://example.com:8443',
    ]);
    expect(
      all.map(([, { hostHeader, pathPrefix, origin }]) => [hostHeader, pathPrefix, origin.port]),
    ).toEqual([
      ['127.0.0.1:9000', '/logs', 9000],
      ['s3.example.com', '/logs', 443],
      ['example.com:8443', '/s3/logs', 8443],
    ]);
    for (const [, config] of all) expect(config).toMatchObject({ bucket: 'logs', credentials: KEY });
    expect(snapshot.config).toEqual(all[0]![1]);
    expect(asked).toBe(1);
  });

  it('is one like any other when there is one in the list, and leaves the environment aside', async () => {
    const env = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:7' };
    const options = { credentials: KEY, endpoints: ['http://127.0.0.1:9000'] };
    const control = await openS3Control('logs', options, world({ env }));
    const snapshot = await control.snapshot(0);
    control.close();
    expect(configOf(snapshot).hostHeader).toBe('127.0.0.1:9000');
    expect(snapshot.endpoints).toBeUndefined();
  });

  it('keeps the list that it was given, whatever happens to it afterwards', async () => {
    const endpoints = ['http://127.0.0.1:9000', 'http://127.0.0.1:9001'];
    const scheme = createS3Scheme({ credentials: KEY, endpoints });
    endpoints.length = 0;
    const control = await scheme.open('s3://logs');
    expect((await control.snapshot(0)).endpoints!.length).toBe(2);
    control.close();
  });
});
