/** What the service figures are measured over: the objects of three works of the benchmark. */
import { pathToFileURL } from 'node:url';
import { CREDENTIALS, REGION } from '../contenders/credentials.mjs';
import { BUCKET } from '../lib/data.mjs';
import { WORKS } from '../lib/works.mjs';

/** @typedef {{httpUrl: string, dataFolder: string}} Origin `dataFolder` is the one that the bucket's folder lies in */

/** Works over the network: small objects and large ones. */
export const NETWORK = ['http-4KiB', 'http-8MiB'];
export const LOADS = [...NETWORK, 'file-4KiB'];

/** Names of the data sets that the loads need. */
export const DATA_SETS_NEEDED = [...new Set(LOADS.map((load) => workOf(load).set))];

/** Batches and connections of a load are those of the work of the same name. @param {string} load */
export function workOf(load) {
  const work = WORKS.find(({ name }) => name === load);
  if (work === undefined) throw new Error(`no work is called ${load}`);
  return work;
}

/**
 * `length` references, going round the data set.
 * @param {string} load @param {Origin} origin @param {number} [length]
 */
export function datasetOf(load, origin, length = Number.MAX_SAFE_INTEGER) {
  const { objects, objectBytes, count, protocol } = workOf(load);
  const base = protocol === 'file' ? `${pathToFileURL(origin.dataFolder).href}/${BUCKET}` : `s3://${BUCKET}`;
  const references = Array.from({ length: count }, (_, i) => ({
    uri: `${base}/${objects}-${i}`,
    size: objectBytes,
  }));
  return { length, at: (/** @type {number} */ i) => references[i % count] };
}

/**
 * Options of a runtime for a load.
 * @param {string} load @param {Origin} origin @param {string} memoryBudget
 */
export function runtimeOptions(load, origin, memoryBudget = '64MiB') {
  const s3 = { endpoint: origin.httpUrl, region: REGION, credentials: CREDENTIALS, forcePathStyle: true };
  return { workers: 2, maxConnections: workOf(load).connections, memoryBudget, stores: { s3 } };
}
