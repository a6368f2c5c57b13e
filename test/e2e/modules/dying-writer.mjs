/**
 * The file store as a user's store, with writes that end their thread. `config.kill` names the request, `config.after`
 * says whether it is carried out before; `config.words[0]` counts such requests, `config.deaths` of which are deadly.
 */
import { createStore as createFiles } from '../../../dist/backends/file/data.js';

export function createStore(snapshot) {
  const { root, kill, after, words, deaths } = snapshot.config;
  const files = createFiles({ ...snapshot, config: { root } });
  return {
    ...files,
    read: (request, target, stop) =>
      new Promise((resolve) => {
        files.read(request, target, stop, resolve);
      }),
    async write(request, stop) {
      if (request.kind !== kill || Atomics.add(words, 0, 1) >= deaths)
        return await files.write(request, stop);
      if (after) await files.write(request, stop);
      setImmediate(() => {
        throw new Error('a defect');
      });
      return await new Promise(() => {});
    },
  };
}
