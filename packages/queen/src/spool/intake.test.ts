/** What is told of a value over 1 MiB that cannot be had: its task fails for that, unless it has failed for a reason of its own. */
import { join } from 'node:path';
import { jobId, type LeaseNumber, type Message, type SessionNumber } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { folder, removeFoldersAfterEach } from '../testing/folders.ts';
import { type Arrivals, type Holdable, Intake } from './intake.ts';
import { Spool } from './spool.ts';

removeFoldersAfterEach();
const JOB = jobId('01890000-0000-7000-8000-000000000001');
const SESSION = 1 as SessionNumber;

/** A report of two tasks whose outputs are streams; what it has become once every piece was refused. */
async function whenGone(failures: Message<'TaskComplete'>['failures']): Promise<Message<'TaskComplete'>> {
  const spool = new Spool(join(folder(), 'spool'), false);
  spool.open(() => true);
  const streams = [0, 1].map((index) => ({ index, bytes: 2_000_000 }));
  const message = {
    type: 'TaskComplete' as const,
    lease: 1 as LeaseNumber,
    at: 0,
    first: 0,
    count: 2,
    sizes: 0,
    data: new Uint8Array(0),
    busyMicros: 1,
    streams,
    ...(failures === undefined ? {} : { failures }),
  } satisfies Message<'TaskComplete'>;
  return new Promise((resolve) => {
    const intake: Intake = new Intake(spool, {
      ask: (session, { index, offset, job, direction, lease }) => {
        const data = new Uint8Array(0);
        const place = { job, index, offset, direction, ...(lease === undefined ? {} : { lease }) };
        setImmediate(() =>
          intake.arrived(session, { type: 'StreamChunk', ...place, data, error: 'its disk is gone' }),
        );
      },
      pass: (_: SessionNumber, held: Holdable, arrivals: Arrivals) => {
        expect(arrivals.size).toBe(0);
        resolve(held as Message<'TaskComplete'>);
      },
      isDiskLow: () => false,
    });
    const get = { type: 'StreamGet', job: JOB, direction: 'out', lease: message.lease } as const;
    intake.hold(SESSION, 'lease 1', null, { message, streams, get });
  });
}

test('each task is told of once: with its own failure, or with that of its value', async () => {
  const own = {
    index: 1,
    outcome: 'failed',
    code: 'exit',
    message: 'The command ended with exit code 3.',
  } as const;
  const { failures, streams } = await whenGone([own]);
  expect(streams).toBeUndefined();
  expect(failures).toEqual([
    {
      index: 0,
      outcome: 'failed',
      code: 'streamFailed',
      message: expect.stringContaining('its disk is gone'),
    },
    own,
  ]);
});
