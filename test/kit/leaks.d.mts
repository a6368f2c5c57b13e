/** What this process holds: event loop handles by kind, threads and descriptors by id (empty maps where /proc is missing). */
export interface Holdings {
  readonly resources: ReadonlyMap<string, number>;
  readonly threads: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, string>;
}
export interface Ignored {
  /** Kinds of `process.getActiveResourcesInfo()` not to look at. Timers are never looked at: see `pendingTimers`. */
  resources?: string[];
}
export function holdings(): Holdings;
export function takeBaseline(): Promise<Holdings>;
/** One line for each thing that there is more of than at the baseline. */
export function excess(baseline: Holdings, ignored?: Ignored): string[];
/** Rejects after `timeoutMs` (10 s), naming what is left. */
export function backToBaseline(baseline: Holdings, options?: Ignored & { timeoutMs?: number }): Promise<void>;
/** Timers and immediates that hold the event loop open now. */
export function pendingTimers(): number;
