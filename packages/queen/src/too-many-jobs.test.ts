/** How many jobs one client may have is bounded, whoever refuses to end; others, and what was accepted, are not harmed. */
import { type JobId, jobId, LIMITS, peerId } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const idOf = (n: number): JobId => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);

test('a client with 100,000 open jobs is refused one more, until one of them has gone', () => {
  const stage = new Stage();
  const client = stage.client();
  for (let n = 1; n <= LIMITS.openJobsMax; n++) {
    stage.submit(client, idOf(n));
    stage.said.length = 0;
    stage.log.length = 0;
  }
  stage.submit(client, idOf(0));
  expect(stage.take('Refused')).toMatchObject({
    job: idOf(0),
    code: 'tooManyJobs',
    message: expect.stringMatching(/^This client has 100000 jobs .* Submit it again when some have ended/),
  });
  // What was accepted may be submitted again, and somebody else has room.
  stage.submit(client, idOf(1));
  expect(stage.take('Accepted')).toMatchObject({ job: idOf(1) });
  const other = stage.client(peerId('f'.repeat(32)));
  stage.submit(other, idOf(0));
  expect(stage.take('Accepted')).toMatchObject({ job: idOf(0) });
  stage.say(client, { type: 'Cancel', request: 1, job: idOf(7) });
  stage.say(client, { type: 'Manage', request: 2, action: 'gc', job: idOf(7) });
  stage.said.length = 0;
  stage.submit(client, idOf(LIMITS.openJobsMax + 1));
  expect(stage.take('Accepted')).toMatchObject({ job: idOf(LIMITS.openJobsMax + 1) });
}, 180_000);
