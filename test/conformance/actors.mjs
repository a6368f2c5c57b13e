/**
 * Small actors that a runtime is tried with. They speak of numbers only, and run on threads and in the simulation alike.
 *
 * Control messages: `{kind: 'go'}` opens the gate of a gated actor, `{kind: 'stop'}` ends an actor, any other is
 * answered with `{kind: 'heard', what}`.
 */

/** A turn signal that its holder turns. */
function createTurn() {
  const listeners = new Set();
  return {
    state: 0,
    onStop: () => () => {},
    onTurn(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    turn() {
      this.state = 1;
      for (const fn of listeners) fn();
    },
    get listeners() {
      return listeners.size;
    },
  };
}

const NEVER = { state: 0, onStop: () => () => {} };

/** Echoes every job on the result port, behind a gate where there is one, until it is told to stop. */
async function echo(context, { gated = false, failAt = Infinity } = {}) {
  let open = () => {};
  const gate = gated ? new Promise((resolve) => (open = resolve)) : null;
  let stopping = false;
  context.control.onMessage((message) => {
    if (message.kind === 'go') return open();
    if (message.kind !== 'stop')
      return context.control.post({ kind: 'heard', what: message.kind, atMs: context.now() });
    stopping = true;
    context.jobs.close();
    open();
  });
  context.answer({ stats: () => ({ busy: 7 }) });
  context.control.post({ kind: 'ready' });
  await gate;
  for (let taken = 0; ;) {
    const message = await context.jobs.receive(NEVER);
    if (message === null) {
      if (stopping) break;
      continue;
    }
    if (taken === failAt) throw new Error('thrown by the actor');
    taken += 1;
    await context.results.send({ n: message.n }, NEVER);
  }
  context.control.post({ kind: 'stopped' });
}

/** Sleeps for ever unless it is turned, and says when it woke. */
async function sleeper(context) {
  const turn = createTurn();
  context.control.onMessage(() => turn.turn());
  context.control.post({ kind: 'ready' });
  const before = context.now();
  await context.sleep(20, createTurn());
  context.control.post({ kind: 'slept', enough: context.now() - before >= 19 });
  await context.sleep(1e9, turn);
  // A turn that came before is seen at once, without a wait.
  context.control.post({ kind: 'woken', listeners: turn.listeners });
}

/** Writes where its supervisor can look. */
async function writer(context) {
  new Uint8Array(context.arena).fill(7, 100, 200);
  Atomics.store(context.ownWords, context.ownWords.length - 1, 42);
  context.control.post({ kind: 'ready' });
}

/** Holds its thread, from `go` on, for a tenth of a second at a time, and says so before each. */
async function burner(context) {
  let stopping = false;
  const turn = createTurn();
  context.control.onMessage((message) => {
    if (message.kind === 'stop') stopping = true;
    turn.turn();
  });
  context.control.post({ kind: 'ready' });
  await context.sleep(1e9, turn);
  while (!stopping) {
    context.control.post({ kind: 'burning' });
    const untilMs = context.now() + 100;
    while (context.now() < untilMs);
    await context.sleep(1, createTurn());
  }
}

export const actors = {
  burner,
  echo,
  gated: (context) => echo(context, { gated: true }),
  failing: (context) => echo(context, { failAt: 3 }),
  mute: async (context) => {
    const turn = createTurn();
    context.control.onMessage(() => turn.turn());
    context.control.post({ kind: 'ready' });
    await context.sleep(1e9, turn);
  },
  sleeper,
  writer,
  'fails when full': async (context) => {
    await new Promise((resolve) => context.control.onMessage(resolve));
    throw new Error('it took nothing');
  },
  'fails at once': async () => {
    throw new Error('it never came up');
  },
};
