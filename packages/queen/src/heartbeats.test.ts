import { LIMITS, type Message } from '@hive/shared';
import { afterEach, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const { heartbeatsPerSecond } = LIMITS;
function allow(perSecond: number): void {
  Object.assign(LIMITS, { heartbeatsPerSecond: perSecond });
}
afterEach(() => allow(heartbeatsPerSecond));

function answerTo(stage: Stage, session: ReturnType<Stage['drone']>): Message<'Heartbeat'> {
  stage.said.length = 0;
  stage.say(session, { type: 'Heartbeat' });
  return stage.take('Heartbeat')!;
}

test('a Drone that joined early is told a longer interval when many have come', () => {
  allow(1);
  const stage = new Stage();
  const first = stage.drone({ name: 'a' });
  expect(stage.take('Welcome')).toMatchObject({ heartbeatMillis: 1_000 });
  expect(answerTo(stage, first)).toEqual({ type: 'Heartbeat' });
  for (const name of ['b', 'c', 'd', 'e']) stage.drone({ name });
  expect(answerTo(stage, first)).toEqual({ type: 'Heartbeat', everyMillis: 5_000 });
  expect(answerTo(stage, first)).toEqual({ type: 'Heartbeat' });
  expect(stage.state.sessions.get(first)!.heartbeatMillis).toBe(5_000);
});

test('and a shorter one when many have gone; its silence is judged by that only once it was heard again', () => {
  allow(1);
  const stage = new Stage();
  const others = ['b', 'c', 'd', 'e'].map((name) => stage.drone({ name }));
  const last = stage.drone({ name: 'a' });
  for (const other of others) stage.lose(other);
  expect(answerTo(stage, last)).toEqual({ type: 'Heartbeat', everyMillis: 1_000 });
  const peer = stage.state.sessions.get(last)!;
  expect(peer.heartbeatMillis).toBe(5_000);
  answerTo(stage, last);
  expect(peer.heartbeatMillis).toBe(1_000);
});
