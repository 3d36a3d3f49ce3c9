// Counts the words of all text files of a folder: `node examples/words.ts docs/guide`.
import { globSync, readFileSync } from 'node:fs';
import { connect } from '@hive/client';
import words, { type Count } from './words.task.ts';

const folder = process.argv[2] ?? 'docs/guide';
const files = globSync(`${folder}/**/*.{md,txt}`).sort();
await using hive = await connect({ local: true });

// Every file gives a sorted list; the Drones merge them, two neighbours at a time, until one list is left.
const merged = await hive.map<Count[]>(
  words,
  files.map((file) => readFileSync(file, 'utf8')),
  { reduce: { op: 'merge', by: 'word' } },
);
const totals = new Map<string, number>();
for (const { word, count } of merged) totals.set(word, (totals.get(word) ?? 0) + count);
for (const [word, count] of totals) console.log(`${count} ${word}`);
