/** `millrace rm` as a process, against the scripted S3 server. */
import { afterAll, afterEach, beforeEach, beforeAll, describe, expect, it } from 'vitest';
import { BUCKET, documents, openWorld, type World } from './writing.kit.js';

const ROOT = `s3://${BUCKET}/`;
let world: World;

beforeAll(async () => {
  world = await openWorld({ objects: [{ bucket: 'data', prefix: 'small/', count: 12, sizes: [7] }] });
});
afterAll(() => world.origin.stop());
beforeEach(async () => {
  for (const to of ['logs', 'logs-old']) {
    expect((await world.run('cp', '-r', 's3://data/small', ROOT + to)).code).toBe(0);
  }
});
afterEach(() => world.origin.reset());

describe('rm', () => {
  it('deletes the objects that are named, and what is not there is no failure', async () => {
    const rm = await world.run('rm', `${ROOT}logs/00`, `${ROOT}none`, '--json');
    expect([rm.code, documents(rm.stdout).map(({ action }) => action)]).toEqual([0, ['deleted', 'deleted']]);
    const keys = await world.keys();
    expect(keys).toHaveLength(23);
    expect(keys).not.toContain('logs/00');
  });

  it('in a dry run tells what is there, and deletes nothing', async () => {
    const rm = await world.run('rm', '-n', `${ROOT}logs/00`, `${ROOT}none`, '--json');
    const rows = documents(rm.stdout).toSorted((a, b) => String(a['uri']).localeCompare(String(b['uri'])));
    expect([rm.code, rows]).toMatchObject([0, [{ action: 'would-delete', size: 7 }, { action: 'absent' }]]);
    const folder = await world.run('rm', '-r', '-n', `${ROOT}logs`, '--json');
    expect(documents(folder.stdout)).toHaveLength(12);
    expect(await world.keys()).toHaveLength(24);
    expect(await world.origin.requests({ op: 'delete' })).toEqual([]);
    expect(await world.origin.requests({ op: 'delete-many' })).toEqual([]);
  });

  it('-r deletes below the folder, and not what begins with its name', async () => {
    const rm = await world.run('rm', '-r', `${ROOT}logs`);
    expect([rm.code, rm.stderr]).toEqual([0, expect.stringContaining('deleted 12, skipped 0, failed 0')]);
    expect(rm.stdout.trimEnd().split('\n')).toHaveLength(12);
    const keys = await world.keys();
    expect(keys).toHaveLength(12);
    expect(keys.every((key) => key.startsWith('logs-old/'))).toBe(true);
  });

  it('refuses a folder without -r, a bucket without --force, and the root always: with 2, deleting nothing', async () => {
    for (const [args, why] of [
      [[`${ROOT}logs/`], 'there is -r'],
      [['-r', ROOT], '--force to delete everything in it'],
      [['-r', `s3://${BUCKET}`], '--force'],
      [['-r', '-n', ROOT], '--force'],
      [['-r', '-f', '/'], 'the root of the file system'],
      [['-r', '-f', 'file:///'], 'the root of the file system'],
      [['-rf', `${ROOT}logs/00`, '/'], 'the root of the file system'],
      [['--recurse', `${ROOT}logs`], 'did you mean "--recursive"?'],
    ] as const) {
      const rm = await world.run('rm', ...args);
      expect([rm.code, rm.stderr], args.join(' ')).toEqual([2, expect.stringContaining(why)]);
    }
    expect(await world.keys()).toHaveLength(24);
    expect((await world.run('rm', '-r', '--force', ROOT)).code).toBe(0);
    expect(await world.keys()).toEqual([]);
  });

  it('tells a request that failed for each of its objects, and ends with 1', async () => {
    await world.origin.script({ op: 'delete-many', do: { status: 403, code: 'AccessDenied' } });
    const rm = await world.run('rm', '-r', `${ROOT}logs`, '--json');
    expect(rm.code).toBe(1);
    const rows = documents(rm.stdout);
    expect(rows).toHaveLength(12);
    expect(rows.every(({ action }) => action === 'failed')).toBe(true);
    expect(rows[0]).toMatchObject({ error: { code: 'AccessDenied' } });
    expect(await world.keys()).toHaveLength(24);
  });

  it('deletes keys that a request for many cannot carry, one by one', async () => {
    const odd = `${ROOT}logs/a\u0001b`;
    expect((await world.run('cp', 's3://data/small/00', odd)).code).toBe(0);
    const rm = await world.run('rm', '-r', `${ROOT}logs`, '--json');
    expect([rm.code, documents(rm.stdout).length]).toEqual([0, 13]);
    expect(await world.keys('logs/')).toEqual([]);
  });

  it('after a signal the rows are exactly what was deleted', async () => {
    await world.origin.script({ op: 'delete-many', do: { stall: 'before-head' } });
    const child = world.start('rm', '-r', `${ROOT}logs`, `${ROOT}logs-old`, '--json');
    await world.origin.waitFor({ stalled: 1 });
    child.signal('SIGTERM');
    await child.waitForLine(/finishing what is in flight/, { stream: 'stderr' });
    await world.origin.release();
    const { code, stdout } = await child.exit();
    expect(code).toBe(143);
    expect(documents(stdout).map(({ action }) => action)).toEqual(
      Array.from({ length: 12 }, () => 'deleted'),
    );
    const keys = await world.keys();
    expect(keys).toHaveLength(12);
    expect(keys[0]).toBe('logs-old/00');
  });
});
