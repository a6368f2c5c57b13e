/** A store whose first reads end their thread; `config.words[0]` counts the reads, `config.deaths` of which are such. */
export function createStore({ config: { words, deaths } }) {
  return {
    read(request) {
      if (Atomics.add(words, 0, 1) < deaths) {
        setImmediate(() => {
          throw new Error('a defect');
        });
        return new Promise(() => {});
      }
      const { length } = request;
      return {
        outcome: 'complete',
        landed: length,
        size: length,
        version: 'v',
        error: null,
        retryAfterMs: 0,
      };
    },
    update() {},
    close() {},
  };
}
