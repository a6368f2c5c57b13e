import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openS3Control } from '../../../dist/backends/s3/control.js';
import { discoverRegion } from '../../../dist/backends/s3/endpoint.js';
import { parseIni } from '../../../dist/backends/s3/profile.js';
import type { S3DataConfig } from '../../../dist/backends/s3/config.js';
import type { S3Options } from '../../../dist/backends/s3/scheme.js';
import { SECRET, TOKEN } from './kit.js';
import { configOf, fakeSdk, file, world } from './control-kit.js';

const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: SECRET };
const BASE = {
  AWS_CONFIG_FILE: '/nonexistent/config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
};

/** Runs with exactly these AWS variables in the process's environment: the SDK's chain reads no other. */
async function withEnv<T>(env: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, BASE, env);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

/** What the real SDK makes of options and environment. */
async function resolved(
  bucket: string,
  options: S3Options,
  env: Record<string, string> = {},
  discovered: string | null = null,
): Promise<S3DataConfig> {
  return withEnv(env, async () => {
    const changes = discovered === null ? {} : { discoverRegion: async () => discovered };
    const control = await openS3Control(bucket, options, world({ env: process.env, ...changes }));
    try {
      return configOf(await control.snapshot(0));
    } finally {
      control.close();
    }
  });
}

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the address of a bucket', () => {
  const aws: S3Options = { credentials, region: 'eu-west-1' };
  const cases: [string, string, S3Options, Record<string, string>, Partial<S3DataConfig>][] = [
    [
      'AWS',
      'logs',
      aws,
      {},
      { hostHeader: 'logs.s3.eu-west-1.amazonaws.com', pathPrefix: '', region: 'eu-west-1', service: 's3' },
    ],
    [
      'a dotted name, which no wildcard certificate covers',
      'my.logs',
      aws,
      {},
      { hostHeader: 's3.eu-west-1.amazonaws.com', pathPrefix: '/my.logs' },
    ],
    [
      'a name of the old kind',
      'My_Logs',
      aws,
      {},
      { hostHeader: 's3.eu-west-1.amazonaws.com', pathPrefix: '/My_Logs' },
    ],
    [
      'path style on request',
      'logs',
      { ...aws, forcePathStyle: true },
      {},
      { hostHeader: 's3.eu-west-1.amazonaws.com', pathPrefix: '/logs' },
    ],
    [
      'China',
      'logs',
      { credentials, region: 'cn-north-1' },
      {},
      { hostHeader: 'logs.s3.cn-north-1.amazonaws.com.cn' },
    ],
    [
      'dual-stack by environment',
      'logs',
      aws,
      { AWS_USE_DUALSTACK_ENDPOINT: 'true' },
      { hostHeader: 'logs.s3.dualstack.eu-west-1.amazonaws.com' },
    ],
    [
      'FIPS by environment',
      'logs',
      { credentials, region: 'us-east-1' },
      { AWS_USE_FIPS_ENDPOINT: 'true' },
      { hostHeader: 'logs.s3-fips.us-east-1.amazonaws.com' },
    ],
    [
      'an access point',
      'arn:aws:s3:us-west-2:123456789012:accesspoint/mine',
      { credentials },
      {},
      {
        hostHeader: 'mine-123456789012.s3-accesspoint.us-west-2.amazonaws.com',
        pathPrefix: '',
        region: 'us-west-2',
      },
    ],
    [
      'an access point in another region than AWS_REGION',
      'arn:aws:s3:us-west-2:123456789012:accesspoint/mine',
      { credentials },
      { AWS_REGION: 'eu-west-1' },
      { hostHeader: 'mine-123456789012.s3-accesspoint.us-west-2.amazonaws.com', region: 'us-west-2' },
    ],
    [
      'an object lambda',
      'arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/mine',
      { credentials },
      {},
      {
        hostHeader: 'mine-123456789012.s3-object-lambda.us-west-2.amazonaws.com',
        service: 's3-object-lambda',
      },
    ],
    [
      'an endpoint that is an address',
      'logs',
      { credentials, endpoint: 'http://127.0.0.1:9000' },
      {},
      { hostHeader: '127.0.0.1:9000', pathPrefix: '/logs', region: 'us-east-1' },
    ],
    [
      'localhost',
      'logs',
      { credentials, endpoint: 'http://localhost:9000/' },
      {},
      { hostHeader: 'localhost:9000', pathPrefix: '/logs' },
    ],
    [
      'localhost against the default',
      'logs',
      { credentials, endpoint: 'http://localhost:9000', forcePathStyle: false },
      {},
      { hostHeader: 'logs.localhost:9000', pathPrefix: '' },
    ],
    [
      'an endpoint with a name',
      'logs',
      { credentials, endpoint: 'https://s3.example.com' },
      {},
      { hostHeader: 'logs.s3.example.com', pathPrefix: '' },
    ],
    [
      'an endpoint with a path',
      'logs',
      { credentials, endpoint: 'https://example.com/s3/', forcePathStyle: true },
      {},
      { hostHeader: 'example.com', pathPrefix: '/s3/logs' },
    ],
    [
      'AWS_ENDPOINT_URL',
      'logs',
      { credentials },
      { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
      { hostHeader: '127.0.0.1:1' },
    ],
    [
      'AWS_ENDPOINT_URL_S3 before AWS_ENDPOINT_URL',
      'logs',
      { credentials },
      { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:2' },
      { hostHeader: '127.0.0.1:2' },
    ],
    [
      'the option before AWS_ENDPOINT_URL_S3',
      'logs',
      { credentials, endpoint: 'http://127.0.0.1:3' },
      { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:2' },
      { hostHeader: '127.0.0.1:3' },
    ],
    [
      'endpoints of the environment that are to be ignored',
      'logs',
      aws,
      { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
      { hostHeader: 'logs.s3.eu-west-1.amazonaws.com' },
    ],
    [
      'AWS_REGION',
      'logs',
      { credentials },
      { AWS_REGION: 'ap-south-1' },
      { region: 'ap-south-1', hostHeader: 'logs.s3.ap-south-1.amazonaws.com' },
    ],
    ['the option before AWS_REGION', 'logs', aws, { AWS_REGION: 'ap-south-1' }, { region: 'eu-west-1' }],
  ];
  for (const [name, bucket, options, env, expected] of cases) {
    it(`is right for ${name}`, async () => {
      expect(await resolved(bucket, options, env)).toMatchObject(expected);
    });
  }

  it('has an origin that tells apart what must not share connections', async () => {
    const ca = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
    const plain = await resolved('logs', { credentials, endpoint: 'http://127.0.0.1:9000' });
    expect(plain.origin).toEqual({
      id: 'http://127.0.0.1:9000',
      secure: false,
      host: '127.0.0.1',
      port: 9000,
      ca: null,
      serverName: null,
    });
    const trusted = await resolved('logs', { ...aws, ca });
    expect(trusted.origin).toMatchObject({
      secure: true,
      host: 'logs.s3.eu-west-1.amazonaws.com',
      port: 443,
      ca,
    });
    expect(trusted.origin.id).toMatch(/^https:\/\/logs\.s3\.eu-west-1\.amazonaws\.com:443#ca=[0-9a-f]{16}$/);
    const six = await resolved('logs', { credentials, endpoint: 'http://[::1]:9000' });
    expect(six).toMatchObject({
      hostHeader: '[::1]:9000',
      pathPrefix: '/logs',
      origin: { host: '::1', port: 9000 },
    });
  });

  it('carries the options that every request repeats', async () => {
    const config = await resolved('logs', {
      ...aws,
      expectedBucketOwner: '123456789012',
      requesterPays: true,
      allowContentEncoding: true,
    });
    expect(config).toMatchObject({
      expectedBucketOwner: '123456789012',
      requesterPays: true,
      allowContentEncoding: true,
    });
  });

  it('is refused for a multi-region access point, which needs another signature', async () => {
    const arn = 'arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap';
    await expect(resolved(arn, { credentials, region: 'us-east-1' })).rejects.toMatchObject({
      code: 'Unsupported',
    });
  });

  it('is refused when an endpoint of the environment is no URL, naming the variable', async () => {
    await expect(
      resolved('logs', { credentials }, { AWS_ENDPOINT_URL: 'localhost:9000' }),
    ).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining('AWS_ENDPOINT_URL'),
    });
  });

  it('is found by asking the bucket for its region when none is set', async () => {
    expect(await resolved('logs', { credentials }, {}, 'sa-east-1')).toMatchObject({
      region: 'sa-east-1',
      hostHeader: 'logs.s3.sa-east-1.amazonaws.com',
    });
  });

  it('hears the region of a bucket from whatever the service answers, and gives up on one that does not say', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'unsigned'}`);
      if (request.url === '/broken/') return void request.socket.destroy();
      response.statusCode = 403;
      if (request.url === '/logs/') response.setHeader('x-amz-bucket-region', 'eu-south-2');
      if (request.url === '/odd/') response.setHeader('x-amz-bucket-region', 'a"b');
      response.end();
    });
    const endpoint = await listen(server);
    const ask = async (bucket: string): Promise<string | null> =>
      discoverRegion({ ...(await resolved(bucket, { credentials, endpoint })) });
    expect(await ask('logs')).toBe('eu-south-2');
    expect([await ask('silent'), await ask('odd'), await ask('broken')]).toEqual([null, null, null]);
    expect(asked[0]).toBe('HEAD /logs/ unsigned');
  });

  it('is refused when the bucket does not tell its region either, and asked for again later', async () => {
    const answers = [null, 'sa-east-1'];
    const control = await openS3Control(
      'logs',
      { credentials },
      world({ discoverRegion: async () => answers.shift()! }),
    );
    await expect(control.snapshot(0)).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining('AWS_REGION'),
    });
    expect(configOf(await control.snapshot(0)).region).toBe('sa-east-1');
    control.close();
  });
});

describe('the profile', () => {
  const shared = `
# comment
[default]
region = us-west-1
[profile minio]
region = us-west-2   ; inline
services = local
endpoint_url = http://127.0.0.1:7
[services local]
s3 =
  endpoint_url = http://127.0.0.1:8
dynamodb =
  endpoint_url = http://127.0.0.1:9
[profile bare]
region = us-west-2
[profile plain]
endpoint_url = http://127.0.0.1:7
[profile other]
endpoint_url = http://127.0.0.1:6
`;

  it('gives region and endpoint, by option or by AWS_PROFILE', async () => {
    const AWS_CONFIG_FILE = await file(shared);
    expect(await resolved('logs', { credentials }, { AWS_CONFIG_FILE })).toMatchObject({
      region: 'us-west-1',
      hostHeader: 'logs.s3.us-west-1.amazonaws.com',
    });
    const minio = { region: 'us-west-2', hostHeader: '127.0.0.1:8' };
    expect(
      await resolved('logs', { credentials, profile: 'minio' }, { AWS_CONFIG_FILE, AWS_PROFILE: 'other' }),
    ).toMatchObject(minio);
    expect(await resolved('logs', { credentials }, { AWS_CONFIG_FILE, AWS_PROFILE: 'minio' })).toMatchObject(
      minio,
    );
    expect(await resolved('logs', { credentials, profile: 'plain' }, { AWS_CONFIG_FILE })).toMatchObject({
      region: 'us-east-1',
      hostHeader: '127.0.0.1:7',
    });
    expect(
      await resolved(
        'logs',
        { credentials, profile: 'plain' },
        { AWS_CONFIG_FILE, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
      ),
    ).toMatchObject({ hostHeader: '127.0.0.1:1' });
  });

  it('of the options is the only one that counts, even when AWS_PROFILE has an endpoint and it has none', async () => {
    const AWS_CONFIG_FILE = await file(shared);
    const config = await resolved(
      'logs',
      { credentials, profile: 'bare' },
      { AWS_CONFIG_FILE, AWS_PROFILE: 'other' },
    );
    expect(config.hostHeader).toBe('logs.s3.us-west-2.amazonaws.com');
  });

  it('gives credentials through the chain of the SDK', async () => {
    const AWS_SHARED_CREDENTIALS_FILE = await file(
      '[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s3cr3t\naws_session_token = t0k3n\n',
    );
    const config = await resolved(
      'logs',
      { region: 'eu-west-1', profile: 'work' },
      { AWS_SHARED_CREDENTIALS_FILE },
    );
    expect(config.credentials).toEqual({
      accessKeyId: 'AKIAWORK',
      secretAccessKey: 's3cr3t',
      sessionToken: 't0k3n',
    });
  });

  it('gives the credentials that its file has now: somebody else may write it anew', async () => {
    const keys = (id: string): string =>
      `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${SECRET}\n`;
    const path = await file(keys('K1'));
    await withEnv({ AWS_SHARED_CREDENTIALS_FILE: path }, async () => {
      const control = await openS3Control('logs', { region: 'eu-west-1' }, world({ env: process.env }));
      const first = await control.snapshot(0);
      await writeFile(path, keys('K2'));
      const second = await control.snapshot(first.version);
      expect([first, second].map((one) => configOf(one).credentials!.accessKeyId)).toEqual(['K1', 'K2']);
      control.close();
    });
  });

  it('files read as the SDKs read them', () => {
    const sections = parseIni(
      '[ profile  "a" ]\r\nx=1\r\n y = nested under nothing\r\ns3=\r\n\tendpoint_url = u#not-a-comment\r\nz = 2 # comment\r\nno pair\r\n',
    );
    expect(Object.fromEntries(sections.get('profile a')!)).toEqual({
      x: '1',
      's3.endpoint_url': 'u#not-a-comment',
      z: '2',
    });
  });
});

describe('the credential chain', () => {
  it('reads the environment', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: TOKEN };
    const config = await resolved('logs', { region: 'eu-west-1' }, env);
    expect(config.credentials).toEqual({
      accessKeyId: 'AKIAENV',
      secretAccessKey: SECRET,
      sessionToken: TOKEN,
    });
  });

  it('reads a container agent, with the expiry it gives', async () => {
    const expiry = '2099-01-01T00:00:00.000Z';
    const url = await listen(
      createServer((_, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            AccessKeyId: 'ASIACONTAINER',
            SecretAccessKey: SECRET,
            Token: TOKEN,
            Expiration: expiry,
          }),
        );
      }),
    );
    await withEnv({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/creds` }, async () => {
      const control = await openS3Control('logs', { region: 'eu-west-1' }, world({ env: process.env }));
      const snapshot = await control.snapshot(0);
      expect(configOf(snapshot).credentials!.accessKeyId).toBe('ASIACONTAINER');
      expect(snapshot.expiresAtMs).toBe(Date.parse(expiry));
      control.close();
    });
  });

  it('asks a metadata service that never answers twice, once for each question, and then says what to do', async () => {
    const asked: string[] = [];
    const url = await listen(createServer((request) => void asked.push(`${request.method} ${request.url}`)));
    await withEnv({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url }, async () => {
      const control = await openS3Control(
        'logs',
        { region: 'eu-west-1' },
        world({ env: process.env, imdsTimeoutMs: 20 }),
      );
      await expect(control.snapshot(0)).rejects.toMatchObject({
        code: 'Unauthenticated',
        message: expect.stringMatching(/AWS_ACCESS_KEY_ID.*anonymous: true/),
      });
      expect(asked).toEqual(['PUT /latest/api/token', 'GET /latest/meta-data/iam/security-credentials/']);
      control.close();
    });
  });

  it('gives the metadata service two seconds in all, and a container agent the retries of the SDK', async () => {
    const sdk = fakeSdk(() => Promise.resolve(credentials));
    for (const env of [{}, { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1:1/' }]) {
      const control = await openS3Control(
        'logs',
        { region: 'eu-west-1' },
        world({ importModule: async () => sdk.module, env: { ...BASE, ...env } }),
      );
      await control.snapshot(0);
      control.close();
    }
    expect(sdk.chains[0]).toMatchObject({ timeout: 1000, maxRetries: 0 });
    expect(sdk.chains[1]).not.toHaveProperty('maxRetries');
  });
});

describe('the SDK', () => {
  it('is asked for by name when it is not installed', async () => {
    const importModule = () =>
      Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }));
    await expect(openS3Control('logs', {}, world({ importModule }))).rejects.toMatchObject({
      code: 'ModuleUnavailable',
      message: expect.stringContaining('npm install @aws-sdk/client-s3'),
    });
  });

  it('is refused when it is broken or not the SDK', async () => {
    for (const importModule of [
      () => Promise.reject(new SyntaxError('bad')),
      async () => ({}),
      async () => null,
    ]) {
      await expect(openS3Control('logs', {}, world({ importModule }))).rejects.toMatchObject({
        code: 'ModuleUnavailable',
      });
    }
  });

  it('is not loaded before a store is opened', async () => {
    let loaded = 0;
    const sdk = fakeSdk(() => Promise.resolve(credentials));
    const own = world({ importModule: async () => (loaded++, sdk.module) });
    await expect(openS3Control('no/bucket', {}, own)).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(loaded).toBe(0);
    const control = await openS3Control('logs', { region: 'eu-west-1' }, own);
    expect(loaded).toBe(1);
    control.close();
  });
});
