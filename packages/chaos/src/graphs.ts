/**
 * Graphs of a chaos run: groups of leaves and one task that gathers them; three of four gathering tasks also come after the
 * one before. What a task gives says what it was given, down to the leaves.
 */
/** Leaves of a group. */
const LEAVES = 5;
const GROUP = LEAVES + 1;
/** Every so many groups a new chain of gathering tasks begins, so that no result grows without bound. */
const CHAIN = 4;

/** The parents of a task, in the order in which it gets their results. */
export function parentsOf(index: number): readonly number[] {
  if (index % GROUP !== LEAVES) return [];
  const leaves = Array.from({ length: LEAVES }, (_, i) => index - LEAVES + i);
  const isFirst = Math.floor(index / GROUP) % CHAIN === 0;
  return isFirst ? leaves : [...leaves, index - GROUP];
}

/** What a task is given, and gives: its own input, then its parents' results. */
export function composedOf(index: number, inputOf: (index: number) => unknown): unknown[] {
  return [inputOf(index), ...parentsOf(index).map((parent) => composedOf(parent, inputOf))];
}
