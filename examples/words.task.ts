// A task: the words of a text, each with its number, in alphabetical order. It runs on the Drones.
import { task } from '@hive/client';

export interface Count {
  readonly word: string;
  readonly count: number;
}

export default task((text: string): Count[] => {
  const counts = new Map<string, number>();
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = [...counts].map(([word, count]) => ({ word, count }));
  return words.sort((a, b) => (a.word < b.word ? -1 : 1));
});
