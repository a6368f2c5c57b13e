/** The known word that is meant by a misspelt one. Pure. */

/** The known name with the fewest edits between it and the given one; a name that goes on behind them costs one more. */
export function nearest(given: string, known: readonly string[]): string {
  let best = known[0] ?? '';
  let least = Infinity;
  for (const name of known) {
    const edits = editDistance(given.toLowerCase(), name.toLowerCase());
    if (edits < least) [best, least] = [name, edits];
  }
  return best;
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
  // The row has the distance to every beginning of the known name: `--bach` is meant for `--batch-size`, not for `--ca`.
  return Math.min(row[b.length]!, Math.min(...row) + 1);
}
