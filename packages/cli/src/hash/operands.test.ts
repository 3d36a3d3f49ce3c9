import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { operandBytes } from './operands.ts';

const onLinux = process.platform === 'linux' ? test : test.skip;
const SHOW = `import { operandBytes } from ${JSON.stringify(join(import.meta.dirname, 'operands.ts'))};
console.log(JSON.stringify(operandBytes(process.argv.slice(1)).map((bytes) => bytes.toString('latin1'))));`;

/** What operands are in the end for a process, given by a shell, which knows bytes. */
function shown(): unknown {
  const words = [process.execPath, '--input-type=module', '-e', SHOW, '--'];
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const script = `exec ${quoted} $'a\\xff' 'plain' $'a\\xfe' '\ufffd'`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script]);
  if (stdout.length === 0) throw new Error(String(stderr));
  return JSON.parse(String(stdout));
}

test('names that are text are their UTF-8', () => {
  expect(operandBytes(['ünï', '1e3'])).toEqual([Buffer.from('ünï'), Buffer.from('1e3')]);
});

const EXPECTED = ['a\xff', 'plain', 'a\xfe', Buffer.from('\ufffd').toString('latin1')];
onLinux('names that are no text keep their bytes', () => {
  expect(shown()).toEqual(EXPECTED);
});
