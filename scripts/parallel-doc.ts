/**
 * The tables of docs/guide/parallel.md, which say of every option of GNU parallel what `hive run` does with it. They are
 * written from the list that the parser uses; a test refuses a page that says something else.
 *
 * `node scripts/parallel-doc.ts` writes them anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  OPTIONS,
  type OptionEntry,
  type Standing,
  written,
} from '../packages/cli/src/run/options/option-table.ts';

export const PAGE = join(import.meta.dirname, '../docs/guide/parallel.md');

const STANDINGS = ['same', 'differs', 'refused'] as const;

/** The page with its counts and tables as the code has them. */
export function updatedPage(page: string): string {
  let updated = page.replace(/^\d+ are the same, \d+ differ, \d+ are refused/m, () => {
    const [same, differs, refused] = STANDINGS.map(countOf);
    return `${same} are the same, ${differs} differ, ${refused} are refused`;
  });
  for (const standing of STANDINGS) {
    const part = new RegExp(`(<!-- ${standing} -->\\n)[^]*?(<!-- end -->)`);
    if (!part.test(updated)) throw new Error(`docs/guide/parallel.md has no part <!-- ${standing} -->`);
    updated = updated.replace(part, (_, begin, end) => `${begin}${tableOf(standing)}${end}`);
  }
  return updated;
}

const ofStanding = (standing: Standing) => OPTIONS.filter((option) => option.standing === standing);
const countOf = (standing: Standing) => ofStanding(standing).length;

function tableOf(standing: Standing): string {
  const options = ofStanding(standing).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  if (standing === 'same') return `${options.map(namesOf).join(' · ')}\n`;
  const heading = standing === 'differs' ? 'what is different' : 'why, or what instead';
  const rows = options.map((option) => `| ${namesOf(option)} | ${option.note.replaceAll('|', '\\|')} |\n`);
  return `| option | ${heading} |\n|---|---|\n${rows.join('')}`;
}

const sortKey = ({ names }: OptionEntry) => `${names[0].toLowerCase()} ${names[0]}`;

/** Its name and its letter; the other spellings are only understood. */
function namesOf({ names }: OptionEntry): string {
  const letters = names.filter((name) => name.length === 1 && name !== names[0]);
  return [names[0], ...letters].map((name) => `\`${written(name)}\``).join(', ');
}

if (import.meta.main) {
  const before = readFileSync(PAGE, 'utf8');
  const after = updatedPage(before);
  writeFileSync(PAGE, after);
  console.log(before === after ? 'parallel.md says what the code says' : 'parallel.md was updated');
}
