/**
 * What is put, chunk by chunk, and the end of it: of an iterable, of a stream of Node.js, of a web stream.
 *
 * Invariants:
 * 1. From the moment it is made, a source that fails ends no more than the call: its error waits for the next chunk that is
 *    asked for, whether one was asked for before or not.
 * 2. Once closed, a source that has not ended is ended, also one that was never read, and no listener of ours stays on it.
 */
import { addAbortSignal, type Readable } from 'node:stream';
import { userError } from '../references.js';
import { invalidOption } from '../schema.js';

/** What a stream may be made of; text is written as UTF-8. */
export type Chunk = Uint8Array | ArrayBufferView | ArrayBuffer | SharedArrayBuffer | string;
export type ChunkSource = AsyncIterable<Chunk> | Iterable<Chunk>;

export interface ChunkReader {
  /** Rejects with whatever the source fails with. */
  next(): Promise<IteratorResult<Chunk, unknown>>;
  /** Ends what has not ended. Called once; never throws, does not wait. */
  close(): void;
}

/** @throws MillraceError InvalidArgument */
export function chunkReaderOf(source: ChunkSource): ChunkReader {
  if (typeof source === 'object' && source !== null) {
    if (isNodeStream(source)) return nodeReader(source);
    if (isWebStream(source)) return webReader(source);
    if (Symbol.asyncIterator in source) return iteratorReader(source[Symbol.asyncIterator]());
    if (Symbol.iterator in source) return iteratorReader(source[Symbol.iterator]());
  }
  throw invalidOption('source', 'an iterable or async iterable of bytes, such as a Readable', source);
}

function iteratorReader(iterator: AsyncIterator<Chunk> | Iterator<Chunk>): ChunkReader {
  let ended = false;
  return {
    next: async () => {
      try {
        const step = await iterator.next();
        if (step.done === true) ended = true;
        return step;
      } catch (thrown) {
        ended = true;
        throw thrown;
      }
    },
    close: () => {
      if (!ended) void endOf(iterator);
    },
  };
}

/** Never rejects: nobody asked for more of it, so what it throws at its end is nobody's failure. */
async function endOf(iterator: AsyncIterator<Chunk> | Iterator<Chunk>): Promise<void> {
  try {
    // Wait ends: when the user's own code does; nobody waits for it.
    await iterator.return?.();
  } catch {}
}

/** Of Node.js itself, or of a package that makes streams like it. */
function isNodeStream(source: object): source is Readable {
  return hasMethods(source, ['on', 'removeListener', 'pipe']) && Symbol.asyncIterator in source;
}

/**
 * The iterator of a Node.js stream listens to it, and destroys it at its end, only from its first `next` on. What happens
 * before is for us: an error that nobody listens to ends the process, and a file that nobody destroys stays open.
 */
function nodeReader(stream: Readable): ChunkReader {
  const reader = iteratorReader(stream[Symbol.asyncIterator]() as AsyncIterator<Chunk>);
  let failure: { readonly thrown: unknown } | null = null;
  let ended = false;
  const failed = (thrown: unknown): void => {
    failure ??= { thrown };
  };
  const leave = (): void => {
    stream.removeListener('error', failed);
    stream.removeListener('close', leave);
  };
  stream.on('error', failed);
  return {
    next: async () => {
      if (failure !== null) throw failure.thrown;
      const step = await reader.next();
      if (step.done === true) ended = true;
      return step;
    },
    close: () => {
      reader.close();
      if (!ended) abort(stream);
      // A stream that is being destroyed may still fail, and tells so before its `close`. One that has closed, or is to live on
      // after its end, has nothing more to tell than what is on its way already.
      if (stream.closed || !stream.destroyed) process.nextTick(leave);
      else stream.on('close', leave);
    },
  };
}

/** Destroys the stream with an AbortError, as its own iterator does when a loop is left. */
function abort(stream: Readable): void {
  try {
    addAbortSignal(AbortSignal.abort(), stream);
  } catch {
    // A `destroy` of the user's own: the call has ended already, and not by this.
  }
}

function isWebStream(source: object): source is ReadableStream<Chunk> & ChunkSource {
  return hasMethods(source, ['getReader', 'cancel']);
}

/** By a reader, and not by the stream's iterator: that ends only when the chunk is there that it waits for. */
function webReader(stream: ReadableStream<Chunk>): ChunkReader {
  let reader: ReadableStreamDefaultReader<Chunk>;
  try {
    reader = stream.getReader();
  } catch (thrown) {
    throw userError(thrown, 'the stream that is to be put');
  }
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? { done, value: undefined } : { done, value };
    },
    close: () => {
      // Of a stream that has ended or failed this changes nothing.
      reader.cancel().catch(() => {});
      reader.releaseLock();
    },
  };
}

function hasMethods(source: object, names: readonly string[]): boolean {
  return names.every((name) => typeof (source as Record<string, unknown>)[name] === 'function');
}
