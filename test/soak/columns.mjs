/** Figures of rounds in arrays that are as long at the begin as at the end: what they are kept in must not grow. */

const COLUMNS = [
  'atMs',
  'wallMs',
  'cpuMs',
  'originCpuMs',
  'waitMs',
  'referenceMs',
  'items',
  'bytes',
  'requests',
];

/** @param {number} capacity */
export function createColumns(capacity) {
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, new Float64Array(capacity)]));
  let length = 0;
  return {
    /** @param {Record<string, number>} row what does not fit any more is not kept */
    add(row) {
      if (length === capacity) return;
      for (const name of COLUMNS) columns[name][length] = row[name];
      length += 1;
    },
    /** @returns {Record<string, Float64Array> & {length: number}} */
    taken: () =>
      /** @type {any} */ ({
        length,
        ...Object.fromEntries(COLUMNS.map((name) => [name, columns[name].subarray(0, length)])),
      }),
  };
}
