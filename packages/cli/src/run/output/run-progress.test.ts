import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { RunProgress } from './run-progress.ts';

/** What a terminal shows in its last line after all that was written. */
function lastLine(written: string): string {
  return written.split('\x1b[K').at(-1)!;
}

test('on a terminal the line makes room for output and is there again right after it, however fast output comes', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60 });
  let now = 0;
  using progress = new RunProgress('bar', stream, () => now);
  let written = '';
  progress.update({ completed: 0, running: 2, total: 4 });
  written += stream.read() ?? '';
  expect(lastLine(written)).toContain('0% 0:4=?');
  for (now = 10; now < 50; now += 10) {
    progress.stepAside();
    written += stream.read() ?? '';
    expect(lastLine(written)).toBe('');
    progress.update({ completed: now / 10, running: 1, total: 4 });
    written += stream.read() ?? '';
    expect(lastLine(written)).toContain(`${now / 10}:${4 - now / 10}=`);
  }
});

test('while nothing is printed it is written over ten times a second at most', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60 });
  let now = 0;
  using progress = new RunProgress('eta', stream, () => now);
  for (; now <= 250; now += 5) progress.update({ completed: 1 + now, running: 1, total: 4_000 });
  expect(String(stream.read()).match(/ETA: /g)).toHaveLength(3);
});
