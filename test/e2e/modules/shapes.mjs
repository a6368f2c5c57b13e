/** A transform that makes of each object what `options.shape` says. */
const SHAPES = {
  nothing: () => undefined,
  null: () => null,
  none: () => [],
  same: (bytes) => bytes,
  later: async (bytes) => {
    await new Promise((resolve) => setImmediate(resolve));
    return bytes;
  },
  halves: (bytes) => [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)],
  copy: (bytes) => new Uint8Array(bytes),
  buffer: (bytes) => new Uint8Array(bytes).buffer,
  shared: (bytes) => {
    const own = new Uint8Array(new SharedArrayBuffer(bytes.length));
    own.set(bytes);
    return own;
  },
  twice: (bytes) => {
    const both = new Uint8Array(bytes.length * 2);
    both.set(bytes);
    both.set(bytes, bytes.length);
    return both;
  },
  mixed: (bytes, { key }) => [bytes.subarray(0, 10), new Uint8Array(bytes), { key }, bytes.subarray(10)],
  value: (bytes, { key, uri, size, version }) => ({
    key,
    uri,
    size,
    version,
    sum: sumOf(bytes),
    map: new Map([[key, 1n]]),
  }),
  function: () => () => 'not cloneable',
  throws: () => {
    throw new TypeError('I never liked this one');
  },
  // Objects with an odd number become what `options.odd` says.
  odd: (bytes, context) =>
    numberOf(context.key) % 2 === 1 ? SHAPES[context.options.odd](bytes, context) : bytes,
};

function sumOf(bytes) {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return sum;
}

function numberOf(key) {
  return Number(/(\d+)\D*$/.exec(key)[1]);
}

export default function shape(bytes, context) {
  return SHAPES[context.options.shape](bytes, context);
}
