/**
 * Bytes of the service's own, put into the memory that their tasks were granted.
 *
 * Invariants:
 * 1. No turn of the service's thread copies more than `TURN_BYTES`, however many tasks of whatever length wait for theirs.
 * 2. A task is sent only when all of its bytes are there; what cannot be had fails it.
 */
import type { Arena } from '../../protocol/arena.js';
import { asMillraceError, ErrorCode } from '../../protocol/errors.js';
import type { Stream } from './stream.js';
import type { PlanEntry, Task } from './types.js';

/**
 * Between a tenth of a millisecond and, in fresh memory of a busy machine, ten. Filling each part of 8 MiB at once, nine of
 * them in a row, held the thread up for 120 to 700 ms.
 */
const TURN_BYTES = 1024 * 1024;

export interface FillsDeps {
  readonly arena: Arena;
  uri(entry: PlanEntry): string;
  /** Asks for another turn. */
  again(): void;
}

export class Fills {
  readonly #deps: FillsDeps;
  #leftBytes = TURN_BYTES;

  constructor(deps: FillsDeps) {
    this.#deps = deps;
  }

  beginTurn(): void {
    this.#leftBytes = TURN_BYTES;
  }

  /** Goes on with a stream's tasks, first come first; true when one of them is over, or can be sent. */
  step(stream: Stream): boolean {
    // Looked at first: objects that are fetched pass here one by one.
    if (!stream.hasSink) return false;
    const task = stream.granted.find(({ entry, assembled }) => entry.fill !== undefined && !assembled);
    if (task === undefined) return false;
    try {
      this.#fill(task);
    } catch (thrown) {
      task.error = asMillraceError(thrown, ErrorCode.Internal, {
        phase: 'grant',
        uri: this.#deps.uri(task.entry),
      });
      stream.granted.splice(stream.granted.indexOf(task), 1);
      stream.settled(task);
      return true;
    }
    return task.assembled;
  }

  #fill(task: Task): void {
    const { entry, offset, filledBytes } = task;
    const fill = entry.fill!;
    const length = Math.min(entry.length - filledBytes, this.#leftBytes);
    if (length > 0) {
      const target = new Uint8Array(this.#deps.arena.buffer, offset + filledBytes, length);
      fill(target, filledBytes);
      task.filledBytes += length;
      this.#leftBytes -= length;
    }
    if (task.filledBytes < entry.length) return this.#deps.again();
    task.nextByte = entry.length;
    task.assembled = true;
  }
}
