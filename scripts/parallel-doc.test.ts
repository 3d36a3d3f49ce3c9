import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { PAGE, updatedPage } from './parallel-doc.ts';

test('docs/guide/parallel.md lists the options as the parser has them (scripts/parallel-doc.ts writes it)', () => {
  const page = readFileSync(PAGE, 'utf8');
  expect(page).toBe(updatedPage(page));
});
