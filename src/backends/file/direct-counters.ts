/**
 * What the direct reads of this thread came to, for the statistics of its worker. Of the whole thread and not of a
 * store, because the worker's entry reads it without knowing which stores are open.
 */
export interface DirectCounters {
  /** Bytes that were copied, since they or their target were not aligned. */
  bouncedBytes: number;
  /** Bytes that came through the page cache, on filesystems that refuse O_DIRECT. */
  bufferedBytes: number;
}

export const directCounters: DirectCounters = { bouncedBytes: 0, bufferedBytes: 0 };
