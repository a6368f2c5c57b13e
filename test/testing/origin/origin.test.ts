import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { runNode } from '../../kit/process.mjs';
import { getText, rawClient, rawGet, type RawClient } from './raw.kit.js';

let origin: Origin;
const open: RawClient[] = [];

beforeAll(async () => {
  origin = await startOrigin({
    objects: [{ bucket: 'b', prefix: 'k', count: 100, sizes: [100] }],
    publicBuckets: ['b'],
  });
});
afterAll(() => origin.stop());
afterEach(async () => {
  for (const client of open.splice(0)) client.socket.destroy();
  await origin.waitFor({ connections: 0 });
  await origin.reset();
});

const client = (): RawClient => {
  const made = rawClient(origin.port);
  open.push(made);
  return made;
};
const KEEP = { Connection: 'keep-alive' };
const answers = (n: number) => (bytes: Buffer) => bytes.toString('latin1').split('HTTP/1.1 ').length - 1 >= n;

describe('connections', () => {
  test('are kept, and pipelined requests are answered in turn', async () => {
    const one = client();
    one.send(getText('/b/k01', KEEP) + getText('/b/k02', KEEP) + getText('/b/absent', KEEP));
    await one.until((bytes) => bytes.includes('</Error>\r\n0\r\n\r\n'));
    const log = await origin.requests();
    expect(log.map(({ key, status, connection, ordinal }) => [key, status, connection, ordinal])).toEqual([
      ['k01', 200, log[0]?.connection, 1],
      ['k02', 200, log[0]?.connection, 2],
      ['absent', 404, log[0]?.connection, 3],
    ]);
  });

  test('that are idle are closed on command, and only those', async () => {
    await origin.script({ key: /k09/, do: { stall: 'before-head' } });
    const idle = client();
    const busy = client();
    idle.send(getText('/b/k01', KEEP));
    busy.send(getText('/b/k09', KEEP));
    await idle.until(answers(1));
    await origin.waitFor({ stalled: 1, answered: 1 });
    expect(await origin.closeIdle()).toBe(1);
    expect((await idle.ended()).ending).toBe('end');
    await origin.release();
    await busy.until(answers(1));
    await origin.waitFor({ inFlight: 0 });
    expect(await origin.closeIdle('reset')).toBe(1);
    expect((await busy.ended()).ending).toBe('ECONNRESET');
  });

  test('on which a part of a request has come are not idle', async () => {
    const head = 'PUT /b/new HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n';
    await origin.script({ do: {} });
    const inHead = client();
    inHead.send(getText('/b/k01', KEEP) + head.slice(0, 20));
    await inHead.until(answers(1));
    const inBody = client();
    inBody.send(`${head}half`);
    // The rule is met when the head has come.
    await origin.waitFor({ faults: 2, answered: 1, connections: 2 });
    expect(await origin.closeIdle()).toBe(0);
    inHead.send(`${head.slice(20)}the whole`);
    inBody.send(' done');
    await Promise.all([inHead.until(answers(2)), inBody.until(answers(1))]);
    await origin.waitFor({ inFlight: 0 });
    expect(await origin.closeIdle()).toBe(2);
  });

  test('that speak no HTTP are refused', async () => {
    const one = client();
    one.send('HELLO\r\n\r\n');
    expect((await one.ended()).head).toMatch(/^HTTP\/1.1 400 /);
    const two = client();
    two.send('GET /b/k01 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
    expect((await two.ended()).head).toMatch(/^HTTP\/1.1 400 /);
  });

  test('may bring a request in single bytes', async () => {
    const one = client();
    one.socket.setNoDelay(true);
    for (const c of getText('/b/k01')) one.send(c);
    expect((await one.ended()).body.length).toBe(100);
  });
});

describe('conditions', () => {
  test('hold when the counters do, at once or later', async () => {
    await origin.script({ do: { stall: 'before-head' } });
    const three = origin.waitFor({ inFlight: 3, stalled: 3 });
    for (let i = 0; i < 3; i++) client().send(getText('/b/k01'));
    await three;
    await origin.waitFor({ requests: 3, connections: 3 });
    expect(await origin.release()).toBe(3);
    await origin.waitFor({ inFlight: 0, answered: 3 });
    expect(await origin.stats()).toMatchObject({
      requests: 3,
      maxInFlight: 3,
      faults: 3,
      byStatus: { 200: 3 },
      bytesSent: 300,
    });
  });

  test('that never hold fail with what was seen', async () => {
    await expect(origin.waitFor({ requests: 5 }, 1)).rejects.toThrow(
      /waited 1 ms for {"requests":5}.*"requests":0/,
    );
    await expect(origin.waitFor({ request: 1 } as object)).rejects.toThrow(/request is none of inFlight/);
  });

  test('split the log at a mark', async () => {
    await rawGet(origin.port, '/b/k01');
    expect(await origin.mark()).toBe(1);
    await rawGet(origin.port, '/b/k02', { Range: 'bytes=1-2', Connection: 'close' });
    expect(await origin.requests({ afterMark: true })).toMatchObject([
      { key: 'k02', range: 'bytes=1-2', status: 206, bodyBytes: 2 },
    ]);
    expect(await origin.requests({ afterMark: false })).toMatchObject([
      { key: 'k01', range: null, op: 'get', complete: true },
    ]);
  });
});

describe('the process', () => {
  test('bounds its log and counts what fell out', async () => {
    const small = await startOrigin({
      objects: [{ bucket: 'b', key: 'k', size: 1 }],
      publicBuckets: ['b'],
      logLimit: 2,
    });
    for (let i = 0; i < 5; i++) await rawGet(small.port, '/b/k');
    expect((await small.requests()).map(({ number }) => number)).toEqual([4, 5]);
    expect((await small.stats()).logDropped).toBe(3);
    await small.stop();
  });

  test('ends with stop, more than once, and then refuses orders by name', async () => {
    const other = await startOrigin();
    await Promise.all([other.stop(), other.stop()]);
    await other.stop();
    expect(() => process.kill(other.pid, 0)).toThrow('ESRCH');
    await expect(other.stats()).rejects.toThrow(/^origin: /);
  });

  test('says at the start which port it could not have', async () => {
    await expect(startOrigin({ port: origin.port })).rejects.toThrow(/EADDRINUSE/);
  });

  test('runs by hand, and ends on SIGTERM', async () => {
    const main = new URL('../../../dist/testing/origin/main.js', import.meta.url).pathname;
    const child = runNode(main, { args: ['--public', '--count', '10', '--size', '4', '--prefix', 'p/'] });
    const [, port] = await child.waitForLine(/^ready http:\/\/127\.0\.0\.1:(\d+)$/);
    expect((await rawGet(Number(port), '/demo/p/7')).body.length).toBe(4);
    child.signal('SIGTERM');
    expect(await child.exit()).toMatchObject({ code: 0, signal: null, stderr: '' });
  });
});
