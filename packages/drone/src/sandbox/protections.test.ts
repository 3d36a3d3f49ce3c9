/** The documentation promises what the attacks prove, cell by cell. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { COLUMNS, PROTECTIONS, protectionTable } from './protections.ts';

const DOCUMENT = new URL('../../../../docs/SECURITY.md', import.meta.url);

test('the table of the documentation is the one whose cells are attacked', () => {
  expect(readFileSync(DOCUMENT, 'utf8')).toContain(`\n${protectionTable()}\n`);
});

test('every cell is there', () => {
  for (const { holds } of Object.values(PROTECTIONS)) expect(holds).toHaveLength(COLUMNS.length);
});
