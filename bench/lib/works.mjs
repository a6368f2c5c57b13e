/**
 * The table of works: what is fetched, over what, how many at a time.
 *
 * Every contender of a work fetches the same pieces in the same order, over and over, with the same number of
 * connections. How often differs: a measured pass is bounded by time.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Memory budget of millrace in every work. */
export const BUDGET_BYTES = 128 * MIB;

/** Works of `--quick`. */
const QUICK = new Set(['http-4KiB', 'http-128KiB', 'http-8MiB', 'https-4KiB', 'file-4KiB', 'file-1GiB']);

/**
 * @typedef {object} DataSet objects of one size, and what is read of them
 * @property {string} objects name of their size; the keys are `objects-0`, `objects-1` ...
 * @property {number} objectBytes
 * @property {number} count distinct objects
 * @property {number} pieceBytes objects are read in pieces of this size; whole where it is their size
 * @property {number} connections
 * @property {number} batchSize pieces in a batch of the loader, or in a task of a pool
 */

/**
 * @typedef {{ name: string, protocol: 'http' | 'https' | 'file' | 'direct', service: 's3' | 'az' | 'gs' | null, set: string,
 *   quick: boolean } & DataSet} Work `service`: whose requests the origin is asked with; null for files
 */

/** @type {Readonly<Record<string, DataSet>>} */
export const DATA_SETS = {
  '4KiB': set('4KiB', 4 * KIB, 4096, 4 * KIB, 32, 256),
  '128KiB': set('128KiB', 128 * KIB, 1024, 128 * KIB, 32, 64),
  '8MiB': set('8MiB', 8 * MIB, 32, 8 * MIB, 8, 4),
  '8MiB-of-64MiB': set('64MiB', 64 * MIB, 4, 8 * MIB, 8, 4),
  '8MiB-of-1GiB': set('1GiB', GIB, 1, 8 * MIB, 8, 4),
  // Four at a time, because so many threads of libuv read files.
  '16MiB-of-1GiB': set('1GiB', GIB, 1, 16 * MIB, 4, 2),
};

const S3_SETS = ['4KiB', '128KiB', '8MiB', '8MiB-of-64MiB', '8MiB-of-1GiB'];

/** @type {readonly Work[]} */
export const WORKS = [
  ...S3_SETS.map((name) => work(`http-${name}`, 'http', 's3', name)),
  ...S3_SETS.map((name) => work(`https-${name}`, 'https', 's3', name)),
  ...['4KiB', '8MiB'].map((name) => work(`az-${name}`, 'http', 'az', name)),
  ...['4KiB', '8MiB', '8MiB-of-64MiB'].map((name) => work(`gs-${name}`, 'http', 'gs', name)),
  work('file-4KiB', 'file', null, '4KiB'),
  work('file-1GiB', 'file', null, '8MiB-of-1GiB'),
  work('direct-1GiB', 'direct', null, '16MiB-of-1GiB'),
];

function set(objects, objectBytes, count, pieceBytes, connections, batchSize) {
  return { objects, objectBytes, count, pieceBytes, connections, batchSize };
}

/**
 * @param {string} name @param {Work['protocol']} protocol @param {Work['service']} service
 * @param {string} from a name of DATA_SETS
 */
function work(name, protocol, service, from) {
  return { name, protocol, service, set: from, quick: QUICK.has(name), ...DATA_SETS[from] };
}
