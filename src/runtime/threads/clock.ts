/** One monotonic clock for all threads of a process, so that times in shared memory can be compared. */

/** `performance.now()` begins anew in each thread; what lies below it, and `process.hrtime()` tells, is the same for all. */
export function createClock(): () => number {
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return () => performance.now() + offsetMs;
}
