/** A node that is started again does not wait for its own Drone, which has ended with it; for others' it does. */
import { jobId, peerId } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const peerOf = (name: string) => peerId(name.repeat(32));

/** A Queen that was killed while these Drones ran her tasks. */
function restarted(...drones: string[]): Stage {
  const stage = new Stage();
  stage.submit(stage.client(), JOB, { range: { start: 0, step: 1, count: 100 } });
  for (const name of drones) stage.drone({ name });
  stage.restart();
  return stage;
}

test('what only its own Drone ran runs again at once', () => {
  const stage = restarted('d');
  expect(stage.job(JOB).held.isEmpty).toBe(false);
  stage.step({ type: 'ownDroneEnded', peer: peerOf('d') });
  expect(stage.job(JOB).held.isEmpty).toBe(true);
  expect(stage.job(JOB).readyTasks).toBe(100);
  // It is not awaited after the next restart either.
  stage.restart();
  expect(stage.job(JOB).held.isEmpty).toBe(true);
});

test('the Drones of others are awaited all the same', () => {
  const stage = restarted('d', 'f');
  stage.step({ type: 'ownDroneEnded', peer: peerOf('d') });
  expect(stage.job(JOB).held.isEmpty).toBe(false);
  stage.drone({ name: 'f' });
  expect(stage.job(JOB).held.isEmpty).toBe(true);
});

test('one that is not known, or there, is passed over', () => {
  const stage = restarted('d');
  stage.step({ type: 'ownDroneEnded', peer: peerOf('e') });
  expect(stage.job(JOB).held.isEmpty).toBe(false);
  stage.drone({ name: 'd', asks: false });
  stage.step({ type: 'ownDroneEnded', peer: peerOf('d') });
  expect(stage.state.knownDrones.has(peerOf('d'))).toBe(true);
});
