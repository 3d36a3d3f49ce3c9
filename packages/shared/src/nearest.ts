/** Names near to one that was mistyped. Source: Damerau-Levenshtein distance, optimal string alignment. */

const SHOWN_MAX = 5;
const BEGINNING_MIN = 2;

/** The names with the fewest typing errors between them and `written`, nearest first; none if all are far. */
export function nearest(written: string, names: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(written.length / 3));
  const lower = written.toLowerCase();
  return names
    .map((name) => ({ name, distance: isBeginning(lower, name) ? 0 : distance(lower, name.toLowerCase()) }))
    .filter((candidate) => candidate.distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, SHOWN_MAX)
    .map((candidate) => candidate.name);
}

/** Somebody stopped writing early. */
function isBeginning(written: string, name: string): boolean {
  return written.length >= BEGINNING_MIN && name.toLowerCase().startsWith(written);
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) least = Math.min(least, beforeLast[j - 2]! + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
