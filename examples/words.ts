// Counts the words of all text files of a folder: `node examples/words.ts docs/guide`.
import { globSync, readFileSync } from 'node:fs';
import { connect } from '@hive/client';
import words, { merge } from './words.task.ts';

const folder = process.argv[2] ?? 'docs/guide';
const files = globSync(`${folder}/**/*.{md,txt}`).sort();
await using hive = await connect({ local: true });

// Every file gives its own counts; the Drones merge them, neighbours at a time, until one Map is left.
const counts = await hive.map(
  words,
  files.map((file) => readFileSync(file, 'utf8')),
  { reduce: merge },
);
for (const word of [...(counts?.keys() ?? [])].sort()) console.log(`${counts?.get(word)} ${word}`);
