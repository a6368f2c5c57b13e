/** Stop signals for claims: cancelled by hand, and counting what is linked to them. */
import { type StopSignal, StopState } from '../protocol/stop.js';

export interface ManualSignal extends StopSignal {
  set(state: StopState): void;
  /** Callbacks that are linked now. */
  readonly linked: number;
  /** How often `state` was looked at. */
  readonly looks: number;
}

/** A signal; `onLook` runs at each look at `state`, before it is answered. */
export function manualSignal(onLook?: (signal: ManualSignal) => void): ManualSignal {
  let state: StopState = StopState.Live;
  let looks = 0;
  const callbacks = new Set<() => void>();
  const signal: ManualSignal = {
    get state() {
      looks += 1;
      onLook?.(signal);
      return state;
    },
    get linked() {
      return callbacks.size;
    },
    get looks() {
      return looks;
    },
    set(next) {
      if (next <= state) return;
      state = next;
      if (state !== StopState.Cancelled) return;
      for (const callback of callbacks) callback();
      callbacks.clear();
    },
    onStop(fn) {
      const once = (): void => fn();
      if (state === StopState.Cancelled) once();
      else callbacks.add(once);
      return () => callbacks.delete(once);
    },
  };
  return signal;
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
