/**
 * The storage emulator of Google's firebase-tools, as a server of the JSON API of Cloud Storage, on a free port of
 * 127.0.0.1. Its objects lie in files of the scratch directory.
 *
 * It chooses its port itself and tells it once it listens, so no other server can be taken for it.
 */
import { Daemons } from './daemons.mjs';
import { inServerPackage, packageAvailable } from './server-package.mjs';

const PROJECT_ID = 'demo-test';

/** @returns {string | null} why the emulator cannot be started here, or null when it can */
export const gcsEmulatorAvailable = () => packageAvailable('firebase-tools');

/** @returns {Promise<import('./gcs-emulator.d.mts').GcsEmulator>} a server without objects */
export async function startGcsEmulator() {
  const reason = gcsEmulatorAvailable();
  if (reason !== null) throw new Error(`GCS emulator: ${reason}`);
  const daemons = new Daemons('gcs');
  const daemon = daemons.startNode(inServerPackage('gcs-emulator.mjs'), PROJECT_ID);
  const url = await daemons.ready(() => /^ready (\S+)/m.exec(daemon.output())?.[1] ?? null, 'address');
  const stop = () => daemons.stop();
  return { url, projectId: PROJECT_ID, stop, [Symbol.asyncDispose]: stop };
}
