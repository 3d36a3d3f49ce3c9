import type { JobId, LeaseNumber, Message } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { type OutputWatcher, type Printed, PrintedOutput } from './printed.ts';

const MiB = 1024 * 1024;
const job = 'j' as JobId;
const lease = 1 as LeaseNumber;

function reader() {
  let end: () => void;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  let watcher: OutputWatcher;
  const output = new PrintedOutput(
    job,
    undefined,
    (given) => {
      watcher = given;
      return () => {};
    },
    done,
  );
  const give = (stream: 'stdout' | 'stderr', offset: number, data: Uint8Array): void =>
    watcher.give({ type: 'Output', job, index: 0, lease, stream, offset, data } as Message<'Output'>);
  const all = async (): Promise<Printed[]> => {
    end();
    const pieces: Printed[] = [];
    for await (const printed of output) pieces.push(printed);
    return pieces;
  };
  return { give, all };
}

describe('what waits for a slow reader', () => {
  test('comes in the order in which it was printed', async () => {
    const { give, all } = reader();
    give('stdout', 0, Buffer.from('one'));
    give('stderr', 0, Buffer.from('two'));
    give('stdout', 3, Buffer.from('three'));
    const texts = (await all()).map(({ stream, data }) => [stream, Buffer.from(data).toString()]);
    expect(texts).toEqual([
      ['stdout', 'one'],
      ['stderr', 'two'],
      ['stdout', 'three'],
    ]);
  });

  test('is bounded: of a flood the end is kept, and all that the other stream said', async () => {
    const { give, all } = reader();
    give('stderr', 0, Buffer.from('first'));
    const piece = new Uint8Array(256 * 1024);
    for (let offset = 0; offset < 30 * MiB; offset += piece.length) give('stdout', offset, piece);
    give('stderr', 5, Buffer.from(' last'));
    const pieces = await all();
    const stdout = pieces.filter(({ stream }) => stream === 'stdout');
    const bytes = stdout.reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes).toBeGreaterThan(7 * MiB);
    expect(bytes).toBeLessThanOrEqual(8 * MiB);
    expect(stdout.at(-1)!.offset).toBe(30 * MiB - piece.length);
    const said = pieces.filter(({ stream }) => stream === 'stderr').map(({ data }) => Buffer.from(data));
    expect(Buffer.concat(said).toString()).toBe('first last');
  });
});
