/**
 * A service that embeds millrace: it goes through a prefix over and over, answers an orchestrator on HTTP, and drains.
 *
 * `PREFIX=s3://bucket/incoming/ HOST=0.0.0.0 PORT=8080 node examples/service/main.mjs`
 *
 * On SIGTERM, in this order: readiness turns off, the loader starts nothing new and hands over what is in flight, the
 * last batch is indexed, the workers end, the listener closes, and the process ends by itself with code 0. All of it
 * is over within the drain's deadline, below the 30 s that Kubernetes grants.
 */
import { createServer } from 'node:http';
import { CancellationToken, formatBytes, ObjectDataset, Runtime } from '../../dist/index.js';

const prefix = process.env['PREFIX'] ?? new URL('../../docs/', import.meta.url).href;
// A pod is probed and scraped at its own address, so nothing narrower will do there; on a desk set HOST=127.0.0.1.
const host = process.env['HOST'] ?? '0.0.0.0';
const port = Number(process.env['PORT'] ?? 8080);
const pauseMs = Number(process.env['PAUSE_MS'] ?? 5_000);

const shutdown = CancellationToken.fromSignals(['SIGTERM', 'SIGINT']);
const runtime = await Runtime.start({ memoryBudget: '128MiB', token: shutdown });
const totals = { epochs: 0, items: 0, bytes: 0, failures: 0 };
let ready = true;
shutdown.onChange(() => {
  ready = false;
});

/** What a real service would do with an object: here it counts the lines. */
function index(/** @type {Uint8Array} */ bytes) {
  let lines = 0;
  for (const byte of bytes) if (byte === 10) lines += 1;
  return lines;
}

function metrics() {
  const lines = Object.entries(totals).map(([name, value]) => `millrace_example_${name}_total ${value}`);
  return `${lines.join('\n')}\nmillrace_example_ready ${ready ? 1 : 0}\n`;
}

/** @type {Record<string, () => [status: number, body: string]>} */
const routes = {
  // Alive while the event loop turns: a drain is no reason to be killed.
  '/healthz': () => [200, 'ok\n'],
  '/readyz': () => (ready ? [200, 'ready\n'] : [503, 'draining\n']),
  '/metrics': () => [200, metrics()],
};
const server = createServer((request, response) => {
  const [status, body] = routes[request.url ?? '']?.() ?? [404, 'not found\n'];
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
});
// Wait ends: listen answers or fails at once.
await new Promise((resolve, reject) => {
  server.once('error', reject).listen(port, host, () => resolve(undefined));
});
const address = server.address();
console.log(
  `listening on ${address !== null && typeof address === 'object' ? `${address.address}:${address.port}` : address}`,
);

/** Ends after `ms`, or as soon as the token turns. */
function pause(/** @type {number} */ ms) {
  return new Promise((resolve) => {
    if (shutdown.state !== 0) return resolve(undefined);
    const done = () => {
      clearTimeout(timer);
      unlink();
      resolve(undefined);
    };
    const timer = setTimeout(done, ms);
    const unlink = shutdown.onChange(done);
  });
}

/** What became of everything that was planned: what is left is what the next process has to fetch. */
function summary(/** @type {import('../../dist/index.js').TerminalRecord | null} */ report) {
  if (report === null) return 'nothing began';
  const { reason, planned, delivered, filtered, failed, dropped, left } = report;
  return `${reason}, ${planned} planned = ${delivered} delivered + ${filtered} filtered + ${failed} failed + ${dropped} dropped + ${left} left`;
}

async function ingest() {
  const loader = runtime.loader(ObjectDataset.fromPrefix(prefix), { onError: 'skip' });
  for await (const batch of loader) {
    for (const item of batch) {
      index(item.bytes);
      totals.items += 1;
      totals.bytes += item.bytes.length;
    }
  }
  totals.epochs += 1;
  totals.failures += loader.report?.failed ?? 0;
  return loader.report;
}

let failed = false;
try {
  while (shutdown.state === 0) {
    const report = await ingest();
    console.log(`epoch ${totals.epochs}: ${summary(report)}; ${formatBytes(totals.bytes)} so far`);
    await pause(pauseMs);
  }
} catch (error) {
  // A cancel at the deadline is how a drain that takes too long ends; everything else is a failure.
  failed = shutdown.state === 0;
  console.error(error);
} finally {
  ready = false;
  const { stuckWorkers } = await runtime.close();
  server.close();
  server.closeAllConnections();
  shutdown.dispose();
  if (stuckWorkers.length > 0) console.error(`stuck: ${stuckWorkers.join(', ')}`);
  console.log(`drained: ${totals.items} items in ${totals.epochs} epochs`);
}
process.exitCode = failed ? 1 : 0;
