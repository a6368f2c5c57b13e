/** Keeps its thread busy for `ms`, and returns nothing but how long that was. */
export default function burn(_bytes, { options: { ms } }) {
  const beganAtMs = performance.now();
  while (performance.now() - beganAtMs < ms);
  return { busyMs: performance.now() - beganAtMs };
}
