/**
 * Makes the tape of a failing run simpler: shorter, with more zeros, with smaller numbers, and it still fails.
 *
 * Delta debugging over answers (Zeller, Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002); 0 is the
 * boring answer everywhere, so there is nothing to know about what an answer was for.
 */
import type { Tape } from '../../dist/runtime/simulation/oracle.js';

export interface Shrunk {
  readonly tape: Tape;
  /** Runs that it took. */
  readonly runs: number;
}

/** `fails` runs a tape; at most so many times. */
export async function shrink(
  tape: Tape,
  fails: (tape: Tape) => Promise<boolean>,
  maxRuns: number,
): Promise<Shrunk> {
  let best = withoutTail(tape);
  let runs = 0;
  const tried = async (candidate: Tape): Promise<boolean> => {
    if (runs >= maxRuns) return false;
    runs += 1;
    if (!(await fails(candidate))) return false;
    best = withoutTail(candidate);
    return true;
  };
  // What costs most comes when nothing else helps any more, and what it changes may be simpler for the others.
  for (let before: Tape | null = null; before !== best && runs < maxRuns;) {
    before = best;
    await cutTail(() => best, tried);
    await zeroPieces(() => best, tried);
    await lowerAnswers(() => best, tried);
    if (before === best) await takeOutPieces(() => best, tried);
  }
  return { tape: best, runs };
}

/** How many answers may be those of one thing, or of several. */
const TAKEN_OUT = [64, 32, 20, 14, 10, 8, 7, 6, 5, 4, 3, 2, 1];

type Try = (candidate: Tape) => Promise<boolean>;

/** Zeros at the end say nothing: a tape goes on with them. */
function withoutTail(tape: Tape): Tape {
  const last = tape.findLastIndex((answer) => answer !== 0);
  return tape.slice(0, last + 1);
}

async function cutTail(best: () => Tape, tried: Try): Promise<void> {
  for (let keep = 0; keep < best().length; keep += Math.max(1, Math.ceil((best().length - keep) / 2)))
    if (await tried(best().slice(0, keep))) return;
}

async function zeroPieces(best: () => Tape, tried: Try): Promise<void> {
  for (let size = Math.ceil(best().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best().length; at += size) {
      const tape = best();
      const end = Math.min(tape.length, at + size);
      if (tape.slice(at, end).every((answer) => answer === 0)) continue;
      await tried(tape.map((answer, i) => (i >= at && i < end ? 0 : answer)));
    }
  }
}

/**
 * What is asked for again and again (objects, loads, steps) is one thing less where the answers of one are taken out: what
 * follows moves up, and is answered as before.
 */
async function takeOutPieces(best: () => Tape, tried: Try): Promise<void> {
  for (const size of TAKEN_OUT) {
    // A thing may begin between two of these.
    const step = Math.max(1, size >> 1);
    for (let at = best().length - size; at >= 0; at -= step) {
      const tape = best();
      await tried([...tape.slice(0, at), ...tape.slice(at + size)]);
    }
  }
}

async function lowerAnswers(best: () => Tape, tried: Try): Promise<void> {
  for (let at = 0; at < best().length; at += 1) {
    for (let lower = Math.floor(best()[at]! / 2); lower > 0; lower = Math.floor(lower / 2)) {
      const tape = best();
      if (!(await tried(tape.map((answer, i) => (i === at ? tape[at]! - lower : answer))))) continue;
      lower = best()[at] ?? 0;
    }
  }
}
