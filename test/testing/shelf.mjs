/** A store as a user writes one, read-only and in memory: what the guide's example is run over. */
import { setImmediate as turn } from 'node:timers/promises';
import { MillraceError } from 'millrace';

const CHUNK_BYTES = 1024 * 1024;
/** Keys as hex digits, which compare like their bytes; values `{bytes, version}`. */
const objects = new Map();
let puts = 0;

/** Puts an object behind the store's back. */
export async function put(key, bytes) {
  puts += 1;
  objects.set(Buffer.from(key).toString('hex'), { bytes: Uint8Array.from(bytes), version: `v${puts}` });
}

const find = (key) => objects.get(Buffer.from(key).toString('hex'));
const compare = (a, b) => (a < b ? -1 : 1);
const isOver = (stop) => stop.state === 2;
const uriOf = (key) => `shelf://all/${Buffer.from(key).toString()}`;

/** @param {{ config: { flaw?: string } }} snapshot */
export function createStore({ config }) {
  const answer = (outcome, rest) => ({
    outcome,
    landed: 0,
    size: -1,
    version: null,
    error: null,
    retryAfterMs: 0,
    ...rest,
  });
  const failed = (outcome, code, key, rest = {}) => {
    const { range, ...more } = rest;
    const error = new MillraceError(code, 'the shelf refused', { uri: uriOf(key), phase: 'request', range });
    return answer(outcome, { ...more, error });
  };
  return {
    async read({ key, start, length, whole, version }, target, stop) {
      if (isOver(stop)) return answer('cancelled');
      const found = find(key);
      if (found === undefined) return failed('refused', 'NotFound', key);
      const size = found.bytes.length;
      if (version !== null && version !== found.version && config.flaw !== 'versions')
        return failed('version-changed', 'VersionChanged', key, { size });
      if (whole && size !== length) return failed('size-changed', 'VersionChanged', key, { size });
      if (start >= size && size > 0)
        return failed('refused', 'RangeRejected', key, { size, range: [start, start + length - 1] });
      const bytes = found.bytes.subarray(start, start + length);
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        if (isOver(stop)) return answer('cancelled', { landed: at, size });
        target.set(bytes.subarray(at, at + CHUNK_BYTES), at);
        if (config.flaw === 'stray') new Uint8Array(target.buffer)[target.byteOffset + target.length] = 0;
        if (config.flaw === 'swapped' && at === CHUNK_BYTES) target.copyWithin(0, at, at + 4);
        await turn();
      }
      return answer('complete', { landed: bytes.length, size, version: found.version });
    },

    async head(key, stop) {
      if (isOver(stop)) return { ...answer('cancelled'), value: null };
      const found = find(key);
      if (found === undefined) return { ...failed('refused', 'NotFound', key), value: null };
      const value = {
        size: found.bytes.length,
        version: found.version,
        lastModifiedMs: null,
        contentType: null,
      };
      return { ...answer('complete'), value };
    },

    async list({ prefix, delimiter, continuation, limit }, stop) {
      if (isOver(stop)) return { ...answer('cancelled'), value: null };
      const first = Buffer.from(prefix).toString('hex');
      const rows = [];
      for (const hex of [...objects.keys()].filter((each) => each.startsWith(first)).sort(compare)) {
        const key = Buffer.from(hex, 'hex');
        const cut = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
        const name = cut < 0 ? hex : key.subarray(0, cut + 1).toString('hex');
        if (rows.at(-1)?.name !== name) rows.push({ name, isPrefix: cut >= 0 });
      }
      const rest = rows.filter(({ name }) => continuation === null || name > continuation);
      const page = rest.slice(0, limit);
      const value = packed(page.filter(({ isPrefix }) => !isPrefix).map(({ name }) => name));
      const prefixes = page.filter(({ isPrefix }) => isPrefix);
      return {
        ...answer('complete'),
        value: {
          ...value,
          prefixes: prefixes.map(({ name }) => Buffer.from(name, 'hex').toString()),
          next: rest.length > limit ? page.at(-1).name : null,
        },
      };
    },

    update() {},
    close() {},
  };
}

/** Rows of a page as the columns of a `KeyPage`. */
function packed(names) {
  const endsOf = (pieces) => {
    let end = 0;
    return Uint32Array.from(pieces, (piece) => (end += piece.length));
  };
  const keys = names.map((name) => Buffer.from(name, 'hex'));
  const versions = names.map((name) => Buffer.from(objects.get(name).version));
  return {
    count: names.length,
    keys: new Uint8Array(Buffer.concat(keys)),
    keyEnds: endsOf(keys),
    sizes: Float64Array.from(names, (name) => objects.get(name).bytes.length),
    versions: new Uint8Array(Buffer.concat(versions)),
    versionEnds: endsOf(versions),
    modified: new Float64Array(names.length).fill(Number.NaN),
  };
}
