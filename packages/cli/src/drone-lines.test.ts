import { type QueenId, queenId } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { DroneLines, inWords } from './drone-lines.ts';
import type { Journal } from './journal.ts';

function linesOf(...events: object[]): string[] {
  return linesWhen(false, ...events);
}
function linesWhen(isVerbose: boolean, ...events: object[]): string[] {
  const said: string[] = [];
  const journal = { say: (text: string) => said.push(text) } as unknown as Journal;
  const lines = new DroneLines(journal, isVerbose);
  for (const event of events) lines.tell(event as never);
  return said;
}
const queen: QueenId = queenId('0'.repeat(32));
const done = { type: 'workDone', queen, job: 'j', index: 0, lease: 1, tasks: 1, single: true, millis: 1 };

describe('a Drone', () => {
  test('says how a single task ended', () => {
    expect(
      linesOf(
        { ...done, kind: 'hash', outcome: 'succeeded', display: '"a" -> "7c0b5f5412"' },
        { ...done, kind: 'hash', outcome: 'succeeded', display: '1 byte -> 7c0b5f54...' },
        { ...done, kind: 'sleep', outcome: 'failed', display: '"x" -> failed: sleep takes a number' },
        { ...done, kind: 'sleep', outcome: 'timedOut', display: '5 -> timedOut: it took longer than 1 ms' },
      ),
    ).toEqual([
      '✅ Work Done! Hash: 7c0b5f54...',
      '✅ Work Done! Hash: 7c0b5f54...',
      '❌ Work failed: sleep takes a number',
      '❌ Work timed out: it took longer than 1 ms',
    ]);
  });

  test('shows values in full when it is verbose', () => {
    const long = JSON.stringify('x'.repeat(100_000));
    const received = { type: 'workReceived', queen, job: 'j', kind: 'echo', index: 0, lease: 1, tasks: 1 };
    expect(
      linesWhen(
        true,
        { ...received, single: true, display: '"xx…', value: long },
        { ...done, kind: 'echo', outcome: 'succeeded', display: '"xx… -> "xx…', value: long },
      ),
    ).toEqual([
      `🚨 Received Work: echo of ${long} (task 0 of job j)`,
      `✅ Work Done! Echo: ${long} (task 0 of job j, 1.0 ms)`,
    ]);
  });

  test('says once, in words, why it has no Queen', () => {
    const lost = { type: 'disconnected', address: { host: '127.0.0.1', port: 8080 }, retryMillis: 100 };
    expect(
      linesOf(
        { ...lost, reason: 'read ECONNRESET' },
        { ...lost, reason: 'connect ECONNREFUSED 127.0.0.1:8080' },
        { ...lost, reason: 'connect ECONNREFUSED 127.0.0.1:8080' },
        { ...lost, reason: 'the Queen closed the connection' },
      ),
    ).toEqual([
      '⏳ No Queen at 127.0.0.1:8080: the connection was cut; 🐝 Drone is trying to connect...',
      '⏳ No Queen at 127.0.0.1:8080: nothing listens there; 🐝 Drone is trying to connect...',
      '⏳ No Queen at 127.0.0.1:8080: the Queen closed the connection; 🐝 Drone is trying to connect...',
    ]);
    expect(inWords('getaddrinfo ENOTFOUND nowhere')).toBe('there is no such host');
  });
});
