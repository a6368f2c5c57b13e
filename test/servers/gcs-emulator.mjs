/**
 * Google's Firebase storage emulator by itself: without the command line of firebase-tools, Java or security rules.
 * Prints `ready URL` once it listens. Its data lies under TMPDIR. The modules it takes are not a public interface, so
 * the version of firebase-tools is pinned.
 */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { EmulatorRegistry } = require('firebase-tools/lib/emulator/registry');
const { StorageEmulator } = require('firebase-tools/lib/emulator/storage');
const { createApp } = require('firebase-tools/lib/emulator/storage/server');
const { Emulators } = require('firebase-tools/lib/emulator/types');

const projectId = process.argv[2];
const host = '127.0.0.1';
const emulator = new StorageEmulator({
  projectId,
  host,
  port: 0,
  rules: { name: 'storage.rules', content: '' },
});
// selfLink, mediaLink and the URLs of resumable uploads are made from what is registered here.
EmulatorRegistry.set(Emulators.STORAGE, emulator);
const app = await createApp(projectId, emulator);
const server = createServer((request, response) => {
  // Copies, changes of metadata and the list of buckets it serves under /b alone, as an older client asks for them.
  request.url = request.url.replace(/^\/storage\/v1(?=\/b[/?])/, '');
  app(request, response);
});
server.listen(0, host, () => {
  emulator.args.port = server.address().port;
  console.log(`ready http://${host}:${emulator.args.port}`);
});
