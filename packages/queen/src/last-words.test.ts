/** What a task that takes its Drone's process with it is told of how that ended, by the process that comes after. */
import { jobId, LIMITS, type Message, type PeerId, peerId } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
type Words = NonNullable<Message<'Holdings'>['predecessor']>;

/** Processes of one Drone, each lost while it ran the job's one task, until that is given up. Returns what is said of it. */
function convict(wordsOf: (peer: PeerId) => Words | null, isLate = false): string {
  const stage = new Stage();
  stage.submit(stage.client(), JOB, { range: { start: 0, step: 1, count: 1 }, crashLimit: 3 });
  let last: PeerId | null = null;
  for (let life = 1; stage.outcomes(JOB).length === 0; life++) {
    expect(life).toBeLessThan(10);
    const words = last === null ? null : wordsOf(last);
    const name = String(life);
    const drone = stage.drone({ name, asks: false, predecessor: isLate ? null : words });
    stage.say(drone, { type: 'TaskRequest', slots: 1 });
    stage.lose(drone);
    // The words overtake nobody, but the loss may be noticed after them.
    if (isLate && words !== null) stage.lose(stage.drone({ name: 'f', asks: false, predecessor: words }));
    last = peerId(name.repeat(32));
    stage.advance(60_000);
  }
  expect(stage.outcomes(JOB)).toEqual(['crashed processLost']);
  const recorded = stage.log.flatMap((record) => (record.type === 'resultsRecorded' ? record.failures : []));
  return recorded[0]!.message;
}

test('it is told by which signal, and what it had printed', () => {
  expect(convict((peer) => ({ peer, how: 'SIGSEGV', printed: 'at 3 of 4' }))).toBe(
    'the process of 5 was lost while this task ran alone there; the time before, that process ended with SIGSEGV\nThe task had printed:\nat 3 of 4',
  );
});

test('it does not matter whether the words or the next loss come first', () => {
  expect(convict((peer) => ({ peer, how: 'SIGABRT' }), true)).toBe(
    'the process of 5 was lost while this task ran alone there; the time before, that process ended with SIGABRT',
  );
});

test('it is told no more than is known: nothing, or nothing of processes that it did not run on', () => {
  const plain = 'the process of 5 was lost while this task ran alone there';
  expect(convict(() => null)).toBe(plain);
  expect(convict(() => ({ peer: peerId('e'.repeat(32)), how: 'SIGSEGV' }))).toBe(plain);
});

test('what was printed last is not told of a task that was not alone', () => {
  const peer = peerId('1'.repeat(32));
  const stage = new Stage();
  stage.submit(stage.client(), JOB, { range: { start: 0, step: 1, count: 1 }, crashLimit: 1 });
  stage.lose(stage.drone({ name: '1' }));
  stage.lose(stage.drone({ name: '2', predecessor: { peer, how: 'SIGBUS', printed: "somebody else's" } }));
  stage.lose(stage.drone({ name: '3' }));
  const recorded = stage.log.flatMap((record) => (record.type === 'resultsRecorded' ? record.failures : []));
  expect(recorded[0]?.message).toBe(
    'the process of 3 was lost while this task ran alone there; the time before, that process ended with SIGBUS',
  );
});

test('a Drone that says as much as it may makes no text that is too long for those who read the results', () => {
  const message = convict((peer) => ({
    peer,
    how: 'x'.repeat(LIMITS.nameMax),
    printed: 'y'.repeat(LIMITS.textMax),
  }));
  expect(message).toMatch(/ended with x+\nThe task had printed:\ny+$/);
  expect(message.length).toBeLessThanOrEqual(LIMITS.textMax);
});
