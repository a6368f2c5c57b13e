/** Values that hold pieces of what the transform was given, as views, however deep. */
export default function pieces(bytes, { key }) {
  const head = bytes.subarray(0, 8);
  return {
    key,
    head,
    nested: [new Map([['tail', new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8, 8)]])],
  };
}
