/** The SDK in two worker threads, many keys a task, so that the main thread is left alone. */
import { inLanes } from '../lib/lanes.mjs';

const WORKERS = 2;
/** So that a worker has something to do while the last keys of a task come. */
const TASKS_PER_WORKER = 2;

export const awsSdkPiscina = {
  name: 'aws-sdk-piscina',
  signed: true,
  works: ({ service }) => service === 's3',
  async open(job) {
    const { Piscina } = await import('piscina');
    const { connections, batchSize } = job.work;
    const pool = new Piscina({
      filename: new URL('aws-sdk-worker.mjs', import.meta.url).href,
      workerData: { job, connections: connections / WORKERS },
      minThreads: WORKERS,
      maxThreads: WORKERS,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      idleTimeout: Infinity,
      atomics: 'disabled',
      recordTiming: false,
    });
    return {
      run(from, count, seen) {
        const tasks = Math.ceil(count / batchSize);
        return inLanes(WORKERS * TASKS_PER_WORKER, 0, tasks, async (task) => {
          const first = from + task * batchSize;
          const { bytes, starts, ends } = await pool.run({
            from: first,
            count: Math.min(batchSize, from + count - first),
          });
          for (let i = 0; i < starts.length; i++) seen(first + i, bytes.subarray(starts[i], ends[i]));
        });
      },
      close: () => pool.destroy(),
    };
  },
};
