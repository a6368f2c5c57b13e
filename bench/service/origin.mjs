/** An origin of the service figures' own, for when none of the run's is there; it leaves nothing behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeData } from '../lib/data.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { DATA_SETS_NEEDED } from './objects.mjs';

/**
 * @template T
 * @param {(origin: import('./objects.mjs').Origin) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withOwnOrigin(use) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-service-'));
  /** @type {number | null} */
  let pid = null;
  const undo = () => {
    if (pid !== null) process.kill(pid);
    rmSync(folder, { recursive: true, force: true });
  };
  // Also when a signal ends the run in the middle.
  process.once('exit', undo);
  try {
    const origin = await startOrigin(folder);
    ({ pid } = origin);
    try {
      writeData(folder, DATA_SETS_NEEDED);
      return await use({ httpUrl: origin.http, dataFolder: join(folder, 'data') });
    } finally {
      pid = null;
      await origin.stop();
    }
  } finally {
    process.off('exit', undo);
    undo();
  }
}
