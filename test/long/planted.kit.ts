/** Bugs that the simulation must find: each changes one place of the build. */
export interface Planted {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export const PLANTED: readonly Planted[] = [
  {
    name: 'a credit lost: what was taken is still counted',
    file: 'protocol/port.js',
    find: 'Atomics.sub(this.#words, this.#base + IN_FLIGHT, 1);\n        if (Atomics.exchange',
    put: 'if (Atomics.exchange',
  },
  {
    name: 'an extent reused before its attempt ended: the memory of a stuck worker is not set aside',
    file: 'actors/supervisor/losses.js',
    find: 'if (stuck)\n            this.#quarantine.take',
    put: 'if (false)\n            this.#quarantine.take',
  },
  {
    name: 'a retry without its range: it begins at the first byte, and lands behind what has landed',
    file: 'actors/worker/lane.js',
    find: 'request.start = this.#start + landed;',
    put: 'request.start = this.#start;',
  },
  {
    name: 'drain before close: workers are told to end while streams still drain',
    file: 'actors/supervisor/supervisor.js',
    find: 'await Promise.all([...this.#streams].map((stream) => stream.ended));',
    put: 'break;',
  },
  {
    name: 'no look at the token before an attempt',
    file: 'actors/worker/lane.js',
    find: 'if (stop.state !== StopState.Live)\n            return this.#end(givenUp(stop));',
    put: '',
  },
  {
    name: 'no look for a drain before a question',
    file: 'actors/worker/asking.js',
    find: 'if (token.state !== StopState.Live)\n                return ended(givenUp(token), null, null);',
    put: 'if (token.state === StopState.Cancelled)\n                return ended(givenUp(token), null, null);',
  },
  {
    name: 'no look at the token in the sleep before a retry',
    file: 'actors/worker/attempts.js',
    find: 'await context.sleep(step.delayMs, token)',
    put: 'await context.sleep(step.delayMs, { state: 0, onTurn: () => () => {}, onStop: () => () => {} })',
  },
  {
    name: 'no look at the tokens of what waits in a worker',
    file: 'actors/worker/worker.js',
    find: 'if (!stopping && token.state === StopState.Live)',
    put: 'if (!stopping)',
  },
  {
    name: 'no word of a turned token to what is in flight',
    file: 'actors/worker/worker.js',
    find: 'token.turned();',
    put: 'void 0;',
  },
  {
    name: 'no look at the token by a question that no worker has taken',
    file: 'actors/supervisor/asks.js',
    find: 'for (const ask of gone)\n            ask.settle(null, null);',
    put: 'void gone;',
  },
  {
    name: 'a lease kept by a dead worker: its memory stays set aside when its exit was seen',
    file: 'actors/supervisor/quarantine.js',
    find: 'this.#arena.unquarantine(extent);',
    put: 'void extent;',
  },
  {
    name: 'a cursor that passes the other items of an object',
    file: 'actors/supervisor/cursor.js',
    find: 'if (last && index === 0)',
    put: 'if (index === 0)',
  },
  {
    name: 'batches without a look at batchBytes',
    file: 'actors/supervisor/assembler.js',
    find: 'this.#bytes + bytes > this.#batchBytes',
    put: 'false',
  },
  {
    name: 'more objects admitted than the window has',
    file: 'actors/supervisor/stream.js',
    find: 'if (this.ledger.open >= windowObjects)',
    put: 'if (this.ledger.open >= windowObjects + 20)',
  },
  {
    name: 'more objects with workers than maxConcurrentObjects',
    file: 'actors/supervisor/dispatch.js',
    find: 'task.jobsOut === 0 && stream.tasksOut >= stream.options.maxConcurrentObjects',
    put: 'false',
  },
  {
    name: 'more parts of an object at once than may be',
    file: 'actors/supervisor/parts.js',
    find: 'if (rest <= 0 || task.jobsOut >= ranges.maxPerObject)',
    put: 'if (rest <= 0)',
  },
  {
    name: 'parts of two versions in one object',
    file: 'actors/supervisor/parts.js',
    find: 'if (task.version === null && from > 0 && task.jobsOut > 0)',
    put: 'if (false)',
  },
  {
    name: 'a budget of which what lies beside the arena is no part',
    file: 'protocol/arena.js',
    find: 'return this.#usedBytes + this.#chargedBytes + length <= this.budgetBytes;',
    put: 'return this.#usedBytes + length <= this.budgetBytes;',
  },
  {
    name: 'a page in two extents: a trim that gives one back too many',
    file: 'protocol/arena.js',
    find: 'this.#free(extent.offset + length, spare);',
    put: 'this.#free(extent.offset + length - 4096, spare);',
  },
  {
    name: 'blame for everybody who was with a thread that died',
    file: 'actors/supervisor/blame.js',
    find: 'const alone = transforming.size === 1 || (transforming.size === 0 && jobs.length + loss.hedges === 1);',
    put: 'const alone = true;',
  },
  {
    name: 'one attempt more than there may be',
    file: 'actors/worker/retry.js',
    find: 'if (state.failures >= state.maxAttempts)',
    put: 'if (state.failures > state.maxAttempts)',
  },
];
