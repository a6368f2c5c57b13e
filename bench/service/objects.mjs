/** What the service figures are measured over: the small and the large objects of the benchmark's data set. */
import { pathToFileURL } from 'node:url';

/** @typedef {{httpUrl: string, dataFolder?: string}} Origin `dataFolder` is the one that has the folder `bench` */
/** @typedef {{size: number, count: number, batchSize: number, connections: number, file: boolean}} Load */

const MIB = 2 ** 20;

/** By the name of the work. Batches and connections are those of the throughput works of the same name. */
export const LOADS = /** @type {Record<string, Load & {objects: string}>} */ ({
  'http-4KiB': { objects: '4KiB', size: 4096, count: 4096, batchSize: 256, connections: 32, file: false },
  'http-8MiB': { objects: '8MiB', size: 8 * MIB, count: 32, batchSize: 4, connections: 8, file: false },
  'file-4KiB': { objects: '4KiB', size: 4096, count: 4096, batchSize: 256, connections: 32, file: true },
});

/**
 * `length` references, going round the data set.
 * @param {string} name @param {Origin} origin @param {number} [length]
 */
export function datasetOf(name, origin, length = Number.MAX_SAFE_INTEGER) {
  const { objects, size, count, file } = LOADS[name];
  const base = file ? `${pathToFileURL(origin.dataFolder ?? '').href}/bench` : 's3://bench';
  const references = Array.from({ length: count }, (_, i) => ({ uri: `${base}/${objects}-${i}`, size }));
  return { length, at: (/** @type {number} */ i) => references[i % count] };
}

/**
 * Options of a runtime for a load.
 * @param {string} name @param {Origin} origin @param {string} memoryBudget
 */
export function runtimeOptions(name, origin, memoryBudget = '64MiB') {
  const s3 = {
    endpoint: origin.httpUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIABENCHMARK0000000', secretAccessKey: 'not-a-secret' },
    forcePathStyle: true,
  };
  return { workers: 2, maxConnections: LOADS[name].connections, memoryBudget, stores: { s3 } };
}
