/** Places that are written to, a bucket and a directory, seen from beside millrace. */
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Runtime, type MillraceError } from '../../dist/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { startRadosgw } from '../kit/radosgw.mjs';
import { expectIdle, fault, MIB, s3Options, type StartOptions } from './kit.js';

export const BUCKET = 'writes';

/** Somewhere that is written to. */
export interface Shore {
  readonly uri: (key: string) => string;
  /** Uploads that were begun and have not ended, and files that are no objects. */
  unfinished(): Promise<string[]>;
}

export interface Shores {
  readonly file: Shore;
  readonly s3: Shore;
  /** The directory of `file`. */
  readonly root: string;
  /** A runtime that knows both. */
  start(options?: StartOptions): Promise<Runtime>;
  close(): Promise<void>;
}

export async function openDirectory(): Promise<{ root: string; shore: Shore; close: () => Promise<void> }> {
  const root = `${await mkdtemp(join(tmpdir(), 'millrace-writes-'))}/`;
  const unfinished = async (): Promise<string[]> => {
    const names = await readdir(root, { recursive: true });
    return names.filter((name) => name.includes('.millrace-upload-'));
  };
  const shore = { uri: (key: string) => `file://${root}${key}`, unfinished };
  return { root, shore, close: () => rm(root, { recursive: true }) };
}

export async function openShores(): Promise<Shores> {
  const server = await startRadosgw();
  const client = new S3Client({
    endpoint: server.url,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const { root, shore, close } = await openDirectory();
  return {
    root,
    file: shore,
    s3: {
      uri: (key) => `s3://${BUCKET}/${key}`,
      unfinished: async () => {
        const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
        return (Uploads ?? []).map(({ Key }) => Key ?? '');
      },
    },
    start: (options = {}) =>
      Runtime.start({
        workers: 2,
        memoryBudget: '64MiB',
        stores: { s3: s3Options(server), file: { root } },
        ...options,
      }),
    close: async () => {
      client.destroy();
      await server.stop();
      await close();
    },
  };
}

/** The bytes that an object of this name is made of. */
export function bytesOf(name: string, size: number): Uint8Array {
  return patternBytes(objectIdOf(name), size);
}

/** Reads an object in pieces that fit into small budgets: it has exactly the bytes that belong to the name. */
export async function expectObject(runtime: Runtime, uri: string, name: string, size: number): Promise<void> {
  expect((await runtime.head(uri)).size).toBe(size);
  const step = 4 * MIB;
  for (let start = 0; start < Math.max(size, 1); start += step) {
    const length = Math.min(step, size - start);
    const part = size === 0 ? await runtime.get(uri) : await runtime.getRange(uri, { start, length });
    expect(fault(name, part.bytes, length, start)).toBeNull();
    part.release();
  }
}

export async function expectMissing(runtime: Runtime, uri: string): Promise<void> {
  await expect(runtime.head(uri)).rejects.toMatchObject({ code: 'NotFound' });
  const listed = await rowsOf(runtime.list(uri)).catch((thrown: MillraceError) => {
    // Of a directory that is not there.
    if (thrown.code !== 'NotFound') throw thrown;
    return [];
  });
  expect(listed).toEqual([]);
}

/** Nothing is left: no stream, no memory, no upload. */
export async function expectNothingLeft(runtime: Runtime, shore: Shore): Promise<void> {
  await expectIdle(runtime);
  expect(await shore.unfinished()).toEqual([]);
}

/** Chunks of these sizes in turn, `size` bytes together. */
export function* chunksOf(name: string, size: number, sizes: readonly number[]): Generator<Uint8Array> {
  const all = bytesOf(name, size);
  for (let at = 0, turn = 0; at < size; turn += 1) {
    const length = Math.min(sizes[turn % sizes.length]!, size - at);
    yield all.subarray(at, at + length);
    at += length;
  }
}

/** An endless stream that says when it was asked for its chunk number `at`, and gives that one only when told to. */
export function endless(
  chunkBytes: number,
  at: number,
): { source: AsyncIterable<Uint8Array>; asked: Promise<void>; closed: Promise<void>; goOn: () => void } {
  let goOn = (): void => {};
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  let close = (): void => {};
  const closed = new Promise<void>((resolve) => (close = resolve));
  let ask = (): void => {};
  const asked = new Promise<void>((resolve) => (ask = resolve));
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let turn = 0; ; turn += 1) {
        if (turn === at) {
          ask();
          await gate;
        }
        yield new Uint8Array(chunkBytes).fill(turn);
      }
    } finally {
      close();
    }
  }
  return { source: chunks(), asked, closed, goOn };
}

export async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'no error',
    (thrown: MillraceError) => thrown.code,
  );
}

export async function rowsOf<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}
