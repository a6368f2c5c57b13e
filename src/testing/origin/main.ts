/**
 * The process of an origin. Forked, it takes its orders over IPC and ends with its parent; started by hand, it takes
 * them from the command line:
 *
 *   node test/kit/origin/main.mjs --port 0 --bucket demo --prefix data/ --count 1000 --size 4096 --size 8388608 --public
 */
import { parseArgs } from 'node:util';
import { DEFAULT_CREDENTIALS } from './defaults.js';
import { OriginServer } from './server.js';

let server: OriginServer | undefined;

const orders = {
  async start({ port = 0, ...options }) {
    server = new OriginServer(options);
    return { port: await server.listen(port) };
  },
  async stop() {
    await server?.close();
  },
};

async function obey(order, args) {
  if (order in orders) return orders[order](...args);
  if (server === undefined) throw new Error('the origin has not been started');
  return server[order](...args);
}

function takeOrders() {
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, order, args }: any) => {
    try {
      process.send?.({ id, value: await obey(order, args) });
      if (order === 'stop') process.disconnect();
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
}

async function runByHand() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      bucket: { type: 'string', default: 'demo' },
      prefix: { type: 'string', default: 'data/' },
      count: { type: 'string', default: '1000' },
      size: { type: 'string', multiple: true, default: ['4096'] },
      region: { type: 'string', default: 'us-east-1' },
      public: { type: 'boolean', default: false },
    },
  });
  const { bucket, prefix, region } = values;
  const port = await orders
    .start({
      port: Number(values.port),
      objects: [{ bucket, prefix, count: Number(values.count), sizes: values.size.map(Number) }],
      publicBuckets: values.public ? [bucket] : [],
      credentials: [DEFAULT_CREDENTIALS],
      region,
    })
    .then((started) => started.port);
  const { accessKeyId, secretAccessKey } = DEFAULT_CREDENTIALS;
  process.stdout.write(`ready http://127.0.0.1:${port}\n`);
  process.stdout.write(`AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void orders.stop());
}

if (process.send === undefined) await runByHand();
else takeOrders();
