/** Faults that a request meets while its body is on the way, the same for every dialect; and chunked bodies. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_ACCOUNT, startOrigin, type Fault, type Origin } from '../../../dist/testing/index.js';
import { rawClient, rawGet, type RawClient } from './raw.kit.js';

let s3: Origin;
let azure: Origin;
const open: RawClient[] = [];

beforeAll(async () => {
  const shared = { buckets: ['w'], publicBuckets: ['w'] };
  s3 = await startOrigin(shared);
  azure = await startOrigin({ dialect: 'azure', tokens: [{ token: 't' }], ...shared });
});
afterAll(() => Promise.all([s3.stop(), azure.stop()]));
afterEach(async () => {
  for (const one of open.splice(0)) one.socket.destroy();
  for (const origin of [s3, azure]) {
    await origin.waitFor({ connections: 0 });
    await origin.reset();
  }
});

/** More than the kernels of both ends hold. */
const FULL = 24 * 1024 * 1024;
const pathOf = (origin: Origin, key: string) =>
  origin === azure ? `/${DEFAULT_ACCOUNT.name}/w/${key}` : `/w/${key}`;
const AZURE = 'Authorization: Bearer t\r\nx-ms-version: 2024-11-04\r\nx-ms-blob-type: BlockBlob\r\n';

/** A PUT of so many bytes, of which those in `body` are sent at once. */
function put(origin: Origin, key: string, body: string, size = body.length): RawClient {
  const client = rawClient(origin.port);
  open.push(client);
  const auth = origin === azure ? AZURE : '';
  client.send(
    `PUT ${pathOf(origin, key)} HTTP/1.1\r\nHost: h\r\n${auth}Content-Length: ${size}\r\n\r\n${body}`,
  );
  return client;
}
const script = (origin: Origin, fault: Fault) => origin.script({ op: 'put', do: fault });
const stored = async (origin: Origin, key: string) => {
  const auth = origin === azure ? { Authorization: 'Bearer t', 'x-ms-version': '2024-11-04' } : undefined;
  const { head, body } = await rawGet(origin.port, pathOf(origin, key), { ...auth, Connection: 'close' });
  return head.includes(' 404 ') ? null : body.toString();
};
const lastOf = async (origin: Origin) => (await origin.requests({ op: 'put' })).at(-1);

describe.each([
  ['s3', () => s3],
  ['azure', () => azure],
])('an upload to %s', (_, which) => {
  test('that is reset before its body was read leaves nothing', async () => {
    const origin = which();
    await script(origin, { onBody: { at: 0, do: 'reset' } });
    const client = put(origin, 'early', '', 10);
    expect((await client.ended()).ending).toBe('ECONNRESET');
    expect(await stored(origin, 'early')).toBeNull();
    expect(await lastOf(origin)).toMatchObject({ status: 0, requestBytes: 0, complete: false, rule: 0 });
  });

  test('that is cut after its body was read leaves nothing, and after it was carried out leaves all', async () => {
    const origin = which();
    await script(origin, { onBody: { at: 'whole', do: 'cut' } });
    expect((await put(origin, 'cut', 'body').ended()).head).toBe('');
    expect(await stored(origin, 'cut')).toBeNull();
    await script(origin, { cutAfter: 'before-head' });
    expect((await put(origin, 'cut', 'body').ended()).head).toBe('');
    expect(await stored(origin, 'cut')).toBe('body');
  });

  test('is answered early, and nothing that follows takes effect or is in the way', async () => {
    const origin = which();
    await script(origin, { status: 503, onBody: { at: 100, do: 'answer' } });
    const client = put(origin, 'refused', 'x'.repeat(FULL));
    const { head, ending } = await client.ended();
    expect(head).toMatch(/^HTTP\/1.1 503 /);
    expect(head.toLowerCase()).toContain('connection: close');
    expect(ending).toBe('end');
    expect(await stored(origin, 'refused')).toBeNull();
    await expect(script(origin, { onBody: { at: 1, do: 'answer' } })).rejects.toThrow(/needs a status/);
  });

  test('that is cut in its middle sees an end, however much is still on its way, and leaves nothing', async () => {
    const origin = which();
    await script(origin, { onBody: { at: 100, do: 'cut' } });
    const { head, ending } = await put(origin, 'middle', 'x'.repeat(4 * 1024 * 1024)).ended();
    expect([head, ending]).toEqual(['', 'end']);
    expect(await stored(origin, 'middle')).toBeNull();
    expect(await lastOf(origin)).toMatchObject({ status: 0, complete: false, rule: 0 });
  });

  /** An upload that nobody reads, of more than the kernels hold; another one, sent later, has been answered meanwhile. */
  async function heldUpload(origin: Origin): Promise<RawClient> {
    await origin.script({ op: 'put', key: /^held$/, do: { onBody: { at: 1, do: 'stall' } } });
    const body = 'b'.repeat(FULL);
    const held = put(origin, 'held', 'b', FULL);
    await origin.waitFor({ stalled: 1 });
    held.send(body.slice(1));
    const other = put(origin, 'other', body);
    await other.until((bytes) => bytes.includes('HTTP/1.1 20'));
    other.socket.destroy();
    expect(held.socket.writableLength).toBeGreaterThan(0);
    return held;
  }

  test('that nobody reads stands still, and goes on when it is let go', async () => {
    const origin = which();
    const held = await heldUpload(origin);
    expect(await origin.release()).toBe(1);
    await held.until((bytes) => bytes.includes('HTTP/1.1 20'));
    expect(await lastOf(origin)).toMatchObject({ key: 'held', requestBytes: FULL, complete: true });
  });

  test('that its client gives up while it stands still is seen, and logged', async () => {
    const origin = which();
    const held = await heldUpload(origin);
    held.socket.resetAndDestroy();
    await origin.waitFor({ stalled: 0, connections: 0, aborted: 1 });
    expect(await lastOf(origin)).toMatchObject({ key: 'held', status: 0 });
  });

  test('that its client gives up without any fault is logged too, and takes no effect', async () => {
    const origin = which();
    const client = put(origin, 'half', 'half', 8);
    await origin.waitFor({ connections: 1 });
    client.socket.end();
    await origin.waitFor({ aborted: 1 });
    expect(await lastOf(origin)).toMatchObject({ status: 0, requestBytes: 4, rule: null });
    expect(await stored(origin, 'half')).toBeNull();
  });
});

describe('Expect: 100-continue', () => {
  const head = (size: number) =>
    `PUT /w/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${size}\r\n\r\n`;

  test('is answered before the body, or by the fault in its place', async () => {
    const client = rawClient(s3.port);
    client.send(head(4));
    await client.until((bytes) => bytes.includes('HTTP/1.1 100 Continue\r\n\r\n'));
    client.send('body');
    expect((await client.ended()).body.toString()).toMatch(/^HTTP\/1.1 200 /);
    await script(s3, { status: 503, onBody: { at: 0, do: 'answer' } });
    const refused = rawClient(s3.port);
    refused.send(head(4));
    expect((await refused.ended()).head).toMatch(/^HTTP\/1.1 503 /);
  });
});

describe('a chunked body', () => {
  const chunked = (body: string) =>
    `PUT /w/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
  const statusOf = async (text: string) => {
    const client = rawClient(s3.port);
    client.socket.setNoDelay(true);
    for (const c of text) client.send(c);
    return (await client.ended()).head.slice(9, 12);
  };

  test('is read to its end, whatever the dialect says to it', async () => {
    expect(await statusOf(chunked('4;ext=1\r\nbody\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'))).toBe(
      '501',
    );
    expect((await lastOf(s3))?.requestBytes).toBe(14);
  });

  test('that is broken is refused', async () => {
    expect(await statusOf(chunked('x\r\n'))).toBe('400');
    expect(await statusOf(chunked('4\r\nbodyX\r\n'))).toBe('400');
    expect(await lastOf(s3)).toMatchObject({ status: 0 });
  });
});
