/**
 * The process of an origin. Forked, it takes its orders over IPC and ends with its parent; started by hand, it takes
 * them from the command line:
 *
 *   node dist/testing/origin/main.js --port 0 --bucket demo --prefix data/ --count 1000 --size 4096 --size 8388608 --public
 */
import { parseArgs } from 'node:util';
import { DEFAULT_CREDENTIALS } from './defaults.js';
import type { Given, Order, Orders, Reply } from './orders.js';
import { OriginServer } from './server.js';

/** The orders to an origin that listens. */
function ordersTo(server: OriginServer): Omit<Orders, 'start'> {
  return {
    stop: () => server.close(),
    script: (rules) => server.script(rules),
    configure: (patch) => server.configure(patch),
    expire: (id) => server.expire(id),
    bump: (bucket, key, size) => server.bump(bucket, key, size),
    mark: () => server.mark(),
    requests: () => server.requests(),
    stats: () => server.stats(),
    release: () => server.release(),
    closeIdle: (withReset) => server.closeIdle(withReset),
    reset: () => server.reset(),
    waitFor: (condition) => server.waitFor(condition),
  };
}

function takeOrders(reply: (reply: Reply) => void): void {
  let orders: Record<string, ((...args: never[]) => unknown) | undefined> = {
    start: async ({ port = 0, ...given }: Given) => {
      const server = new OriginServer(given);
      const listening = { port: await server.listen(port) };
      orders = { ...ordersTo(server) };
      return listening;
    },
    stop: () => undefined,
  };
  const obey = async ({ id, order, args }: Order): Promise<void> => {
    const act = orders[order];
    try {
      if (act === undefined) throw new Error(`the origin takes no order ${order} now`);
      reply({ id, value: await act(...(args as never[])) });
    } catch (error) {
      reply({ id, error: error instanceof Error ? error.message : String(error) });
    }
    if (order === 'stop') process.disconnect();
  };
  process.on('message', (order: Order) => void obey(order));
  process.on('disconnect', () => process.exit(0));
}

async function runByHand(): Promise<void> {
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
  const server = new OriginServer({
    objects: [{ bucket, prefix, count: Number(values.count), sizes: values.size.map(Number) }],
    publicBuckets: values.public ? [bucket] : [],
    credentials: [DEFAULT_CREDENTIALS],
    region,
  });
  const port = await server.listen(Number(values.port));
  const { accessKeyId, secretAccessKey } = DEFAULT_CREDENTIALS;
  process.stdout.write(`ready http://127.0.0.1:${port}\n`);
  process.stdout.write(`AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void server.close());
}

if (process.send === undefined) await runByHand();
else takeOrders((reply) => process.send?.(reply));
