/** One upload in parts that is stopped at a seeded moment, in a seeded way, and what has to be true afterwards. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { CancellationToken, MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import type { Operation, Origin, Rule } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';
import { DEADLY, deaths } from './crash.kit.js';
import { attemptsBegun, between, dice, expectIdle, MIB, s3Options, sha256 } from './kit.js';

export const BUCKET = 'uploads';
export const SIZE = 40_000_000;
export const PART_BYTES = MIB;
const PARTS = Math.ceil(SIZE / PART_BYTES);
const LAST_PART_BYTES = SIZE - (PARTS - 1) * PART_BYTES;
/** The document that completes an upload of so many parts is longer. */
const MIN_DOCUMENT_BYTES = 1000;
/** What every upload here has as its bytes. */
export const PAYLOAD_NAME = 'payload';
export const PAYLOAD = patternBytes(objectIdOf(PAYLOAD_NAME), SIZE);
const DIGEST = sha256(PAYLOAD);
const PROGRAM = fileURLToPath(new URL('./programs/put.mjs', import.meta.url));

/** What the origin holds for the workers that are to die. */
export const OBJECTS = [{ bucket: BUCKET, prefix: 'deadly/', count: 1, sizes: [10] }];

export const WAYS = ['cancel', 'signal', 'runtime', 'drain', 'kill', 'crash', 'reset'] as const;

export interface Stop {
  readonly way: (typeof WAYS)[number];
  readonly op: Extract<Operation, 'create-upload' | 'put-part' | 'complete-upload'>;
  /** While its body is on its way; when all of it is there and nothing is done; when it was carried out. */
  readonly moment: 'body' | 'whole' | 'after';
  readonly nth: number;
  readonly at: number;
  readonly stream: boolean;
}

/** Where a stop may come: an upload begins without a body. */
const PLACES = [
  ['create-upload', 'whole'],
  ['create-upload', 'after'],
  ['put-part', 'body'],
  ['put-part', 'whole'],
  ['put-part', 'after'],
  ['complete-upload', 'body'],
  ['complete-upload', 'whole'],
  ['complete-upload', 'after'],
] as const;
/** Seeds that together have every way at every place. */
export const SEEDS = WAYS.length * PLACES.length;

/** The stop of a seed; another part, another byte of it, each time. */
export function stopOf(seed: number): Stop {
  const random = dice(seed);
  const way = WAYS[seed % WAYS.length]!;
  const [op, moment] = PLACES[Math.floor(seed / WAYS.length) % PLACES.length]!;
  const nth = op === 'put-part' ? between(random, 1, PARTS) : 1;
  const at = between(random, 0, op === 'put-part' ? LAST_PART_BYTES - 1 : MIN_DOCUMENT_BYTES);
  return { way, op, moment, nth, at, stream: way !== 'kill' && random() < 0.5 };
}

export function describeStop({ way, op, moment, nth, at, stream }: Stop): string {
  const where = moment === 'body' ? `at byte ${at}` : moment;
  return `${way} at ${op} ${nth}, ${where}, of a ${stream ? 'stream' : 'buffer'}`;
}

function ruleOf({ way, op, moment, nth, at }: Stop): Rule {
  const reset = way === 'reset';
  if (moment === 'after') return { op, nth, do: reset ? { reset: 'before-head' } : { stall: 'before-head' } };
  const place = moment === 'whole' ? ('whole' as const) : at;
  return { op, nth, do: { onBody: { at: place, do: reset ? 'reset' : 'stall' } } };
}

/** Puts, stops, and throws unless everything holds. Leaves the origin without a script. */
export async function stopped(runtime: Runtime, origin: Origin, stop: Stop, key: string): Promise<void> {
  await origin.reset();
  await origin.script(ruleOf(stop));
  if (stop.way === 'kill') await killed(origin, stop, key);
  else await stoppedHere(runtime, origin, stop, key);
  await origin.script();
}

async function stoppedHere(runtime: Runtime, origin: Origin, stop: Stop, key: string): Promise<void> {
  const token = new CancellationToken();
  const controller = new AbortController();
  const links = [countLinks(token), countLinks(runtime.token)];
  const linkedBefore = links.map((count) => count());
  const uri = `s3://${BUCKET}/${key}`;
  const options = {
    partBytes: PART_BYTES,
    ...(stop.way === 'signal' ? { signal: controller.signal } : { token }),
  };
  const putting = settled(
    stop.stream ? runtime.putStream(uri, chunks(), options) : runtime.put(uri, PAYLOAD, options),
  );
  if (stop.way !== 'reset') {
    await origin.waitFor({ stalled: 1 });
    if (stop.way === 'cancel') token.cancel('enough');
    if (stop.way === 'signal') controller.abort();
    if (stop.way === 'runtime') runtime.token.cancel('enough');
    if (stop.way === 'drain') token.drain('enough', { deadlineMs: 50 });
    if (stop.way === 'crash') await killWorker(runtime);
    // What a cut-off request would have waited for goes on: nobody may be there any more who does.
    if (stop.op === 'create-upload' || stop.way === 'crash') await origin.release();
  }
  const { version, failure } = await putting;
  await quiet(runtime, origin, stop.way === 'runtime');
  const object = await get(origin, key);
  if (stop.way === 'reset' || stop.way === 'crash') {
    expect(failure).toBeNull();
    expect(object).toEqual({ digest: DIGEST, version });
  } else {
    expect(failure).toBeInstanceOf(MillraceError);
    expect((failure as MillraceError).code).toMatch(/^(Cancelled|Draining)$/);
    expect(object?.digest).toBe(appliedComplete(stop) ? DIGEST : undefined);
  }
  const orphans = await uploadsOf(origin);
  // Of an upload whose begin was carried out and not answered nobody knows the name.
  const lostBegin =
    stop.op === 'create-upload' && stop.moment === 'after' && (stop.way === 'reset' || stop.way === 'crash');
  expect(orphans).toEqual(lostBegin ? [key] : []);
  if (lostBegin) await abortAll(origin);
  expect(links.map((count) => count())).toEqual(linkedBefore);
}

/** A child of its own puts, and gets SIGKILL. */
async function killed(origin: Origin, stop: Stop, key: string): Promise<void> {
  const given = JSON.stringify({
    s3: s3Options(origin),
    uri: `s3://${BUCKET}/${key}`,
    name: PAYLOAD_NAME,
    size: SIZE,
    options: { partBytes: PART_BYTES },
  });
  const child = runNode(PROGRAM, { args: [given], env: { NODE_NO_WARNINGS: '1' } });
  await origin.waitFor({ stalled: 1 });
  const { signal } = await child.kill();
  expect(signal).toBe('SIGKILL');
  await origin.release();
  await origin.waitFor({ inFlight: 0 });
  const object = await get(origin, key);
  // What had left the process by then arrives all the same: a request may be carried out behind its sender's death.
  if (stop.op !== 'complete-upload') expect(object).toBeNull();
  else if (stop.moment === 'after') expect(object).not.toBeNull();
  if (object !== null) expect(object.digest).toBe(DIGEST);
  const orphans = await uploadsOf(origin);
  if (stop.op === 'create-upload' && stop.moment === 'whole') expect(orphans.length).toBeLessThan(2);
  else expect(orphans).toEqual(object === null ? [key] : []);
  await abortAll(origin);
}

function appliedComplete({ op, moment }: Stop): boolean {
  return op === 'complete-upload' && moment === 'after';
}

/** The death of a worker that is in the middle of the upload: with one worker, of that one. */
async function killWorker(runtime: Runtime): Promise<void> {
  const plan = deaths(1, new Map([[1, 'throw' as const]]));
  const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/deadly/`), {
    batchSize: 1,
    transform: { url: DEADLY, options: plan },
  });
  let items = 0;
  for await (const batch of loader) items += batch.length;
  expect(items).toBe(1);
}

/** How many listeners a token has now that were added since the call. */
function countLinks(token: CancellationToken): () => number {
  let count = 0;
  const onChange = token.onChange.bind(token);
  token.onChange = (fn) => {
    const unlink = onChange(fn);
    let linked = true;
    count += 1;
    return () => {
      if (linked) count -= 1;
      linked = false;
      unlink();
    };
  };
  return () => count;
}

/** The payload in pieces that are no parts. */
function* chunks(): Generator<Uint8Array> {
  const step = 300_007;
  for (let at = 0; at < PAYLOAD.length; at += step) yield PAYLOAD.subarray(at, at + step);
}

interface Settled {
  readonly version: string | null;
  readonly failure: unknown;
}

export async function settled(putting: Promise<{ readonly version: string | null }>): Promise<Settled> {
  try {
    const { version } = await putting;
    return { version, failure: null };
  } catch (failure) {
    return { version: null, failure };
  }
}

/** Nothing of the upload goes on: no stream, no memory, no attempt, no request that the origin still has. */
export async function quiet(runtime: Runtime, origin: Origin, closed = false): Promise<void> {
  if (closed) {
    const record = await runtime.close();
    expect(record).toMatchObject({ stuckWorkers: [], unreleasedBytes: 0, leaks: 0 });
  } else await expectIdle(runtime);
  const begun = closed ? 0 : await attemptsBegun(runtime);
  await origin.script();
  await origin.release();
  await origin.waitFor({ inFlight: 0 });
  if (!closed) expect(await attemptsBegun(runtime)).toBe(begun);
}

/** The object as anybody sees it, or null where there is none. */
export async function get(
  origin: Origin,
  key: string,
): Promise<{ readonly digest: string; readonly version: string | null } | null> {
  const answer = await fetch(`${origin.url}/${BUCKET}/${key}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (answer.status === 404) return null;
  expect(answer.status).toBe(200);
  return { digest: sha256(bytes), version: answer.headers.get('etag') };
}

/** Keys of the uploads that the service has not seen the end of. */
export async function uploadsOf(origin: Origin): Promise<string[]> {
  return (await listedUploads(origin)).map(([key]) => key);
}

async function listedUploads(origin: Origin): Promise<[key: string, upload: string][]> {
  const page = await (await fetch(`${origin.url}/${BUCKET}/?uploads=`)).text();
  expect(page).toContain('<IsTruncated>false<');
  const rows = page.matchAll(/<Key>([^<]*)<\/Key><UploadId>([^<]*)</g);
  return Array.from(rows, ([, key = '', upload = '']) => [key, upload]);
}

export async function abortAll(origin: Origin): Promise<void> {
  for (const [key, upload] of await listedUploads(origin)) {
    await fetch(`${origin.url}/${BUCKET}/${key}?uploadId=${upload}`, { method: 'DELETE' });
  }
}
