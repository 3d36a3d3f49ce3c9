// A task counts the words of a text; a reducer makes one count of two. Both run on the Drones.
import { reducer, task } from '@hive/client';

export type Counts = Map<string, number>;

export default task((text: string): Counts => {
  const counts: Counts = new Map();
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
});

export const merge = reducer((left: Counts, right: Counts) => {
  for (const [word, count] of right) left.set(word, (left.get(word) ?? 0) + count);
  return left;
});
