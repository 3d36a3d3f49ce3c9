/**
 * The part of `pnpm pack-check` that does what a new user does: a small project with tasks of its own and the packed
 * packages, run as TypeScript by Node, type-checked, results folded, and the same tasks from the command line.
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
  'squares.task.ts': `import { reducer, task } from '@hive/client';

export const digits = task((n: number) => new Map([...String(n)].map((digit) => [digit, 1])));
export const added = reducer((left: Map<string, number>, right: Map<string, number>) => {
  for (const [digit, count] of right) left.set(digit, (left.get(digit) ?? 0) + count);
  return left;
});
export const square = task((n: number) => n * n);
export const find = task((n: number, { finish }) => {
  if (n === 4_321) finish({ found: n });
});
`,
  'fold.ts': `import { connect } from '@hive/client';
import { added, digits, find, square } from './squares.task.ts';

await using hive = await connect({ local: { drones: 2, slots: 1 } });
const range = { ends: [0, 100_000] as const, kind: square };
const fold = (reduce: 'count' | 'sum' | 'min' | 'max') => hive.range(...range.ends, range.kind, { reduce });
console.log(await Promise.all([fold('count'), fold('sum'), fold('min'), fold('max')]));
console.log(await hive.range(2 ** 53 - 4, 2 ** 53 - 1, 'echo', { reduce: 'sum' }));
console.log(await hive.range(0, 50, square, { reduce: { op: 'top', k: 3 } }));
console.log(await hive.map('echo', ['a', 'b', 'c'], { reduce: 'concat' }));
console.log(await hive.map('echo', [[1, 4], [2, 3]], { reduce: 'merge' }));
console.log(await hive.range(0, 1e12, find, { reduce: 'count' }).outcome());
const numbers: Map<string, number> | undefined = await hive.range(0, 10_000, digits, { reduce: added });
console.log(numbers?.size, numbers?.get('0'), numbers?.get('9'));
const refused = hive.map('echo', ['a'], { reduce: 'sum' }).catch((error: Error) => error.message);
console.log(await refused);
`,
  'words.txt': 'Queen\ndrone\n',
};
const SAID = `2 1
true text.toLowerCase is not a function
no letters in "42" true
2
`;
/**
 * The sum of the squares below n is (n - 1) n (2n - 1) / 6; that of the three integers before 2^53 - 1 is beyond 53 bits.
 * Below 10,000, 10^4 - 9^4 integers have a nine; a zero have 0 itself and 10^4 - 1 - (9 + 9^2 + 9^3 + 9^4) others.
 */
const FOLDED = `[ 100000, 333328333350000, 0, 9999800001 ]
27021597764222967n
[ 2401, 2304, 2209 ]
abc
[ 1, 2, 3, 4 ]
{ value: { found: 4321 }, isEarly: true }
10 2620 3439
sum adds numbers, and the task gave a text
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
  const config = { extends: './tsconfig.json', compilerOptions: options, include: ['main.ts', 'fold.ts'] };
  writeFileSync(join(project, 'tsconfig.user.json'), JSON.stringify(config));
  run(tsc, ['-p', 'tsconfig.user.json']);
  expect('main.ts', run(process.execPath, ['main.ts']), SAID);
  expect('fold.ts', run(process.execPath, ['fold.ts']), FOLDED);
  const squares = ['map', 'squares.task.ts#square', '--local', '--range', '1..1000', '--reduce', 'sum'];
  expect('hive map --reduce', run(hive, squares), '333833500\n');
  const mapped = run(hive, ['map', 'letters.task.ts', '--local', '--input', 'words.txt']);
  expect(
    'hive map',
    mapped,
    '[["q",1],["u",1],["e",2],["n",1]]\n[["d",1],["r",1],["o",1],["n",1],["e",1]]\n',
  );
  console.log(
    'pack-check: a project with tasks of its own works, and folds their results, outside of the workspace',
  );
}

function expect(what: string, said: string, expected: string): void {
  if (said !== expected)
    throw new Error(`${what} said ${JSON.stringify(said)}, not ${JSON.stringify(expected)}`);
}
