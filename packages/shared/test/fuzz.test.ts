import { expect, test } from '@jest/globals';
import { seededChance } from '../src/chance.ts';
import { attack, fuzz, keep, readCorpus } from './fuzz.ts';
import { FRAMES } from './wire-fixtures.ts';

const corpus = readCorpus();

test.each(corpus)('what was found once stays harmless: $name', ({ stream }) => {
  for (let seed = 0; seed < 20; seed++) attack(stream, seededChance(seed));
});

test('streams of valid frames are harmless', () => {
  for (const { frame } of FRAMES) attack(frame, seededChance(1));
});

test('random and damaged streams do nothing but close their own session', () => {
  const seed = Number(process.env['HIVE_FUZZ_SEED'] ?? Date.now() % 2 ** 32);
  const { streams, found } = fuzz(seed, Number(process.env['HIVE_FUZZ_MILLIS'] ?? 30_000));
  if (found !== null) {
    const path = keep(`found-${found.seed}`, found.stream);
    throw new Error(`seed ${found.seed} (kept as ${path}): ${found.error.stack}`);
  }
  expect(streams).toBeGreaterThan(100);
}, 240_000);
