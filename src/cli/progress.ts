/**
 * The progress line: what it says is pure (`renderProgress`), when it is drawn is `createProgress`.
 *
 * Invariants:
 * 1. It is drawn by a timer, at most ten times a second, whatever the rate of objects.
 * 2. Nothing is written where standard error is no terminal.
 */
import { formatBytes } from '../index.js';

export interface ProgressState {
  readonly objects: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  /** Null where it is not known. */
  readonly totalObjects: number | null;
  readonly totalBytes: number | null;
  /** Such as `draining`; empty for nothing. */
  readonly note: string;
}

const REDRAW_MS = 100;
/** With it a line about many large objects still has room for its end on 80 columns. */
const BAR_CHARS = 10;
/** Before that a rate is noise. */
const RATE_AFTER_MS = 500;
const DEFAULT_COLUMNS = 80;

/** One line of at most `columns` characters. */
export function renderProgress(state: ProgressState, columns: number): string {
  const { objects, bytes, elapsedMs, totalObjects, totalBytes, note } = state;
  const known = elapsedMs >= RATE_AFTER_MS;
  const rate = known ? `${formatBytes((bytes * 1000) / elapsedMs)}/s` : '';
  const share = shareOf(bytes, totalBytes) ?? shareOf(objects, totalObjects);
  const parts = [
    share === null ? '' : bar(share),
    share === null || !known ? '' : timeLeft(share, elapsedMs),
    note,
    `${objects}${totalObjects === null ? '' : `/${totalObjects}`} objects`,
    `${formatBytes(bytes)}${totalBytes === null ? '' : ` of ${formatBytes(totalBytes)}`}`,
    rate,
  ].filter((part) => part !== '');
  return parts.join('  ').slice(0, Math.max(0, columns));
}

/** 0 to 1, or null where there is no total. A total that was too small is over at 1, not beyond. */
function shareOf(done: number, total: number | null): number | null {
  return total === null || total <= 0 ? null : Math.min(1, done / total);
}

function bar(share: number): string {
  const filled = Math.floor(share * BAR_CHARS);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_CHARS - filled)}]${percent}`;
}

function timeLeft(share: number, elapsedMs: number): string {
  if (share <= 0) return '';
  const seconds = Math.ceil((elapsedMs * (1 - share)) / share / 1000);
  if (seconds >= 360_000) return '';
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const clock = `${String(minutes).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
  return `${hours > 0 ? `${hours}:` : ''}${clock} left`;
}

export interface ProgressScreen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface Progress {
  /** Takes the line away and stops drawing. Idempotent. */
  end(): void;
}

/** Draws what `state()` gives until `end()`. */
export function createProgress(screen: ProgressScreen, state: () => ProgressState): Progress {
  if (screen.isTTY !== true) return { end: () => {} };
  let drawn = '';
  const draw = (): void => {
    // A terminal that was told no size has 0 columns. One stays free, or some terminals go to the next line.
    const { columns = 0 } = screen;
    const line = renderProgress(state(), (columns > 0 ? columns : DEFAULT_COLUMNS) - 1);
    if (line === drawn) return;
    drawn = line;
    screen.write(`\r\u001b[K${line}`);
  };
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  return {
    end: () => {
      clearInterval(timer);
      if (drawn !== '') screen.write('\r\u001b[K');
      drawn = '';
    },
  };
}
