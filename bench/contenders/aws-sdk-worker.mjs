/**
 * A worker of aws-sdk-piscina: fetches the pieces of a task into one buffer, which goes to the main thread without a
 * copy. Connections are shared by the tasks that it has at the same time.
 */
import { readFileSync } from 'node:fs';
import pLimit from 'p-limit';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { parsePieces } from '../lib/data.mjs';
import { copyBody, createClient, createSend } from './aws-sdk.mjs';

const { job, connections } = workerData;
const pieces = parsePieces(readFileSync(`${job.folder}/${job.work.set}.list`, 'utf8'));
const limit = pLimit(connections);
const send = await createSend(await createClient(job, connections, true));

/** The bodies of these pieces one behind the other, and where each ends. */
export default async function fetchTask({ from, count }) {
  const wanted = Array.from({ length: count }, (_, i) => pieces[(from + i) % pieces.length]);
  const starts = [];
  let total = 0;
  for (const { length } of wanted) {
    starts.push(total);
    total += length;
  }
  const bytes = new Uint8Array(total);
  const ends = await Promise.all(
    wanted.map((piece, i) =>
      limit(async () => {
        const { Body } = await send(piece);
        const target = bytes.subarray(starts[i], starts[i] + piece.length);
        return starts[i] + (await copyBody(Body, target));
      }),
    ),
  );
  return move({ [transferableSymbol]: bytes.buffer, [valueSymbol]: { bytes, starts, ends } });
}
