/**
 * Every scenario happens as it is recorded in packages/simulation/scenarios. After a change that is meant,
 * `HIVE_RECORD=1` writes them anew; the diff is what is reviewed.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { tell } from './scenario.ts';

const FOLDER = join(import.meta.dirname, '../scenarios');
const isRecording = process.env['HIVE_RECORD'] === '1';

test.each(readdirSync(FOLDER).sort())('%s', (file) => {
  const path = join(FOLDER, file);
  const recorded = readFileSync(path, 'utf8');
  const told = tell(recorded);
  if (isRecording) writeFileSync(path, told);
  else expect(told).toBe(recorded);
});
