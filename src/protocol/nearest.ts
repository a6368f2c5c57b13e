/** The known word that is meant by a misspelt one. Pure. */

/** A word of so many edits may still be meant, however short it is. */
const MAX_EDITS_OF_SHORT = 2;

/**
 * The known word with the fewest edits between it and the given one, whatever the case; a word that goes on behind them
 * costs one more. Null when more than half of its letters differ or nothing of the given one is left: then no guess helps.
 */
export function nearest(given: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Infinity;
  for (const word of known) {
    const edits = editDistance(given.toLowerCase(), word.toLowerCase());
    if (edits < least) [best, least] = [word, edits];
  }
  const isClose = best !== null && least <= Math.max(MAX_EDITS_OF_SHORT, best.length / 2);
  return isClose && least < given.length ? best : null;
}

/** What to say of an unknown word: the one that is meant, or all that there are. */
export function suggestion(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  return near === null ? `known are ${known.join(', ')}` : `did you mean "${near}"?`;
}

/** Insertions, deletions and replacements of single characters (Levenshtein), to `b` or to a beginning of it. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  // The row has the distance to every beginning of the known word: `bach` is meant for `batch-size`, not for `ca`.
  return Math.min(row[b.length]!, Math.min(...row) + 1);
}
