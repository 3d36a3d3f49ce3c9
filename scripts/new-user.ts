/**
 * The part of `pnpm pack-check` that does what a new user does: a small project with a task of its own and the packed
 * packages, run as TypeScript by Node, type-checked, and the same task from the command line.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Runs a program in the project; gives what it printed. @throws Error when it fails */
export type Run = (command: string, args: readonly string[]) => string;

const FILES: Readonly<Record<string, string>> = {
  'letters.ts': `export const lettersOf = (text: string): string[] => text.toLowerCase().match(/[a-z]/g) ?? [];
`,
  'letters.task.ts': `import { task } from '@hive/client';
import { lettersOf } from './letters.ts';

export default task((text: string) => {
  const letters = lettersOf(text);
  if (letters.length === 0) throw new RangeError(\`no letters in "\${text}"\`, { cause: text });
  return new Map(letters.map((letter) => [letter, letters.filter((other) => other === letter).length]));
}, { concurrency: 1 });
`,
  'main.ts': `import { connect, TaskError } from '@hive/client';
import letters from './letters.task.ts';

await using hive = await connect({ local: { slots: 2 } });
const counts = await hive.map(letters, ['Queen', 'drone'], { retries: 0 });
const queen: Map<string, number> | undefined = counts[0];
console.log(queen?.get('e'), counts[1]?.get('d'));
// @ts-expect-error A number is not what this task takes.
const wrong = hive.call(letters, 5, { retries: 0 });
await wrong.catch((error) => console.log(error instanceof TaskError, error.message));
try {
  await hive.call(letters, '42', { retries: 0 });
} catch (error) {
  console.log((error as Error).message, /letters\\.task\\.ts:6:\\d+/.test((error as Error).stack ?? ''));
}
const byFile = await hive.call<typeof import('./letters.task.ts')>('./letters.task.ts', 'bee');
console.log(byFile.get('e'));
`,
  'words.txt': 'Queen\ndrone\n',
};
const SAID = `2 1
true text.toLowerCase is not a function
no letters in "42" true
2
`;

/** `tsc` and `hive` are the compiler and the command as the project would call them. */
export function checkNewUser(project: string, run: Run, { tsc, hive }: { tsc: string; hive: string }): void {
  for (const [file, text] of Object.entries(FILES)) writeFileSync(join(project, file), text);
  const options = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
  };
  const config = { extends: './tsconfig.json', compilerOptions: options, include: ['main.ts'] };
  writeFileSync(join(project, 'tsconfig.user.json'), JSON.stringify(config));
  run(tsc, ['-p', 'tsconfig.user.json']);
  expect('main.ts', run(process.execPath, ['main.ts']), SAID);
  const mapped = run(hive, ['map', 'letters.task.ts', '--local', '--input', 'words.txt']);
  expect(
    'hive map',
    mapped,
    '[["q",1],["u",1],["e",2],["n",1]]\n[["d",1],["r",1],["o",1],["n",1],["e",1]]\n',
  );
  console.log('pack-check: a project with a task of its own works outside of the workspace');
}

function expect(what: string, said: string, expected: string): void {
  if (said !== expected)
    throw new Error(`${what} said ${JSON.stringify(said)}, not ${JSON.stringify(expected)}`);
}
