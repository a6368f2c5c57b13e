/**
 * Listings, heads and writes without bytes: jobs that have an answer instead of bytes.
 *
 * Invariants: at most `MAX_WAITING` wait for a worker; each ends in an answer, an error, or with its stream's token. What ends
 * an upload goes first.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import {
  endsUpload,
  type BareWriteRequest,
  type DoneMessage,
  type HeadMessage,
  type ListMessage,
  type ResultMessage,
  type WriteMessage,
} from '../../protocol/messages.js';
import type { KeyPage, ObjectInfo } from '../../protocol/store.js';
import type { WriteResult } from '../../protocol/writes.js';
import type { Worker } from './crew.js';
import type { Stream } from './stream.js';
import type { StreamListRequest } from './types.js';

const MAX_WAITING = 65_536;
/** Workers that may die while they answer one question. */
const MAX_CRASHES = 3;

type AskBody =
  | Pick<ListMessage, 'kind' | 'store' | 'prefix' | 'delimiter' | 'continuation' | 'limit'>
  | Pick<HeadMessage, 'kind' | 'store' | 'key'>
  | Pick<WriteMessage, 'kind' | 'store' | 'request' | 'again'>;

export type AskAnswer = KeyPage | ObjectInfo | WriteResult;

export interface Ask {
  readonly stream: Stream;
  body: AskBody;
  /** It ends what was begun: goes before what begins something, and waits neither for a cap nor for room. */
  readonly ends: boolean;
  worker: Worker | null;
  crashes: number;
  settle(answer: AskAnswer | null, error: MillraceError | null): void;
}

export class Asks {
  /** Not with a worker yet, in order. */
  #waiting: Ask[] = [];
  readonly #out = new Map<number, Ask>();

  list(stream: Stream, request: StreamListRequest): Promise<KeyPage> {
    return this.#ask(stream, {
      kind: 'list',
      ...request,
      prefix: ownBytes(request.prefix),
    }) as Promise<KeyPage>;
  }

  head(stream: Stream, store: number, key: Uint8Array): Promise<ObjectInfo> {
    return this.#ask(stream, { kind: 'head', store, key: ownBytes(key) }) as Promise<ObjectInfo>;
  }

  write(stream: Stream, store: number, request: BareWriteRequest): Promise<WriteResult> {
    const body = { kind: 'write', store, request: withOwnKeys(request), again: false } as const;
    return this.#ask(stream, body) as Promise<WriteResult>;
  }

  get next(): Ask | null {
    return this.#waiting[0] ?? null;
  }

  sent(id: number, worker: Worker): void {
    const ask = this.#waiting.shift()!;
    ask.worker = worker;
    this.#out.set(id, ask);
  }

  /** Takes the ask that a result answers, or null for one that nobody waits for. */
  take(id: number, worker: Worker): Ask | null {
    const ask = this.#out.get(id);
    if (ask === undefined || ask.worker !== worker) return null;
    this.#out.delete(id);
    return ask;
  }

  /** Whether a question of the stream is with the worker. */
  isWith(worker: Worker, stream: Stream): boolean {
    for (const ask of this.#out.values()) if (ask.worker === worker && ask.stream === stream) return true;
    return false;
  }

  /** The worker is gone: what it had goes to another, before everything else. */
  orphaned(worker: Worker, cause: Error | null, code: ErrorCode = ErrorCode.WorkerCrashed): void {
    const again: Ask[] = [];
    for (const [id, ask] of this.#out) {
      if (ask.worker !== worker) continue;
      this.#out.delete(id);
      ask.worker = null;
      ask.crashes += 1;
      if (ask.body.kind === 'write') ask.body = { ...ask.body, again: true };
      ask.stream.jobEnded();
      if (!ask.stream.open) ask.settle(null, null);
      else if (ask.crashes < MAX_CRASHES) again.push(ask);
      else {
        ask.settle(
          null,
          new MillraceError(
            code,
            `${ask.crashes} workers ${code === ErrorCode.WorkerStuck ? 'stopped answering' : 'died'} while they answered a ${ask.body.kind}`,
            { phase: ask.body.kind, worker: worker.link.name, cause },
          ),
        );
      }
    }
    this.#waiting = [...again, ...this.#waiting];
    // A deadline may have been seen to pass on the way, when these did not wait.
    for (const stream of new Set(again.map((ask) => ask.stream))) if (!stream.open) this.turned(stream);
  }

  /** The stream's token turned: nothing of it is begun any more, and each of its questions that waits ends with that. */
  turned(stream: Stream): void {
    const gone = this.#waiting.filter((ask) => ask.stream === stream);
    this.#waiting = this.#waiting.filter((ask) => ask.stream !== stream);
    for (const ask of gone) ask.settle(null, null);
  }

  #ask(stream: Stream, body: AskBody): Promise<AskAnswer> {
    if (!stream.open) return Promise.reject(stream.token.error());
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(
        new MillraceError(
          ErrorCode.Throttled,
          `${MAX_WAITING} listings, heads and writes wait already: await some before asking for more`,
        ),
      );
    }
    // Wait ends: with an answer, with the deaths of its workers, or in `turned` with the stream's token.
    return new Promise((resolve, reject) => {
      const ends = body.kind === 'write' && endsUpload(body.request);
      const ask: Ask = {
        stream,
        body,
        ends,
        worker: null,
        crashes: 0,
        settle: (answer, error) =>
          answer === null ? reject(error ?? stream.token.error()) : resolve(answer),
      };
      if (ends) this.#waiting.unshift(ask);
      else this.#waiting.push(ask);
    });
  }
}

/** Copied: a message carries the whole buffer that a view lies in, other keys too. A Buffer's own `slice` is such a view. */
function ownBytes(key: Uint8Array): Uint8Array {
  return new Uint8Array(key);
}

function withOwnKeys(request: BareWriteRequest): BareWriteRequest {
  switch (request.kind) {
    case 'delete':
      return { ...request, keys: request.keys.map(ownBytes) };
    case 'uploads':
      return { ...request, prefix: ownBytes(request.prefix) };
    case 'copy':
      return { ...request, key: ownBytes(request.key), sourceKey: ownBytes(request.sourceKey) };
    case 'begin':
    case 'complete':
    case 'abort':
      return { ...request, key: ownBytes(request.key) };
  }
}

/** What a message answers a question with; null for an error. */
export function answerIn(message: Exclude<ResultMessage, DoneMessage>): AskAnswer | null {
  if (message.kind === 'page') return message.page;
  if (message.kind === 'info') return message.info;
  const { result, failures } = message;
  if (result === null) return null;
  return { ...result, failures: failures.map(([index, wire]) => [index, MillraceError.fromWire(wire)]) };
}
