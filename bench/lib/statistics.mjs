/** Medians of rounds, and ratios of figures that were measured in the same round. */

/** The figures of a row, beside its names. */
export const FIGURES = [
  'wallSeconds',
  'cpuSeconds',
  'objects',
  'bytes',
  'objectsPerSecond',
  'bytesPerSecond',
  'cpuSecondsPerGB',
  'cpuMicrosPerObject',
  'peakRssBytes',
  'p50Ms',
  'p99Ms',
  'eventLoopDelayP99Ms',
];

/** Value below which `share` percent of an ascending list are; the list is not empty. */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * share) / 100))];
}

/** The mean of the middle two where their number is even. @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What follows from the figures of one pass. A GB is 10^9 bytes. */
export function derived(pass) {
  return {
    ...pass,
    objectsPerSecond: pass.objects / pass.wallSeconds,
    bytesPerSecond: pass.bytes / pass.wallSeconds,
    cpuSecondsPerGB: pass.cpuSeconds / (pass.bytes / 1e9),
    cpuMicrosPerObject: (pass.cpuSeconds * 1e6) / pass.objects,
  };
}

/** Medians of the passes, with least and most. A figure that a pass does not have is null. */
export function summary(passes) {
  const of = (fold) =>
    Object.fromEntries(
      FIGURES.map((name) => {
        const values = passes.map((pass) => pass[name]);
        return [name, values.includes(null) ? null : fold(values)];
      }),
    );
  return {
    ...of(median),
    min: of((values) => Math.min(...values)),
    max: of((values) => Math.max(...values)),
  };
}

/** Median, least and most of the ratios of a figure to the base's of the same round; null where no round has both. */
export function ratio(passes, basePasses, figure) {
  const ratios = [];
  for (const [round, pass] of passes) {
    const base = basePasses?.get(round);
    if (base !== undefined) ratios.push(pass[figure] / base[figure]);
  }
  return ratios.length === 0
    ? null
    : { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
