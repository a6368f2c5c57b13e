/** Tapes as text: answers one after the other, and runs of equal ones as `answer^times`. */
import type { Tape } from '../../dist/runtime/simulation/oracle.js';

export function printTape(tape: Tape): string {
  const runs: [answer: number, times: number][] = [];
  for (const answer of tape) {
    const last = runs.at(-1);
    if (last?.[0] === answer) last[1] += 1;
    else runs.push([answer, 1]);
  }
  return runs.map(([answer, times]) => (times === 1 ? `${answer}` : `${answer}^${times}`)).join(' ');
}

export function parseTape(text: string): Tape {
  return text
    .split(' ')
    .filter(Boolean)
    .flatMap((run) => {
      const [answer = 0, times = 1] = run.split('^').map(Number);
      return Array.from({ length: times }, () => answer);
    });
}
