/** Tasks in sandboxes that submit work: the slot's thread does it for them, and what they submit stays in the sandbox. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect, type Hive, type JobInfo } from '@hive/client';
import { type Drone, type DroneEvent, startDrone } from '@hive/drone';
import { type Queen, startQueen } from '@hive/queen';
import { formatAddress, formatKey, Keyring, newSecret, PeerKey } from '@hive/shared/node';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const TASKS = pathToFileURL(join(import.meta.dirname, '../../client/src/testing/tasks/nested.task.ts')).href;
const POLICY = { minimum: 'none', images: [], network: false, limits: {}, readable: [], hidden: [] } as const;

let queen: Queen;
let drone: Drone;
let hive: Hive;
beforeAll(async () => {
  const keys = Keyring.of(newSecret());
  queen = await startQueen({ port: 0, keys });
  const key = formatKey(PeerKey.from(keys.valid[0]!, 'drone', 'abc'));
  let joined = (_: DroneEvent) => {};
  const isJoined = new Promise<void>((resolve) => {
    joined = ({ type }) => type === 'connected' && resolve();
  });
  drone = startDrone({
    queens: () => [queen.address],
    key,
    slots: 2,
    sandbox: POLICY,
    onEvent: (event) => joined(event),
  });
  await isJoined;
  hive = await connect({ queen: formatAddress(queen.address), key: keys.nodeKey() });
});
afterAll(async () => {
  await hive.close();
  await drone.stop({ drain: false });
  await queen.stop();
});

async function levels(): Promise<readonly string[]> {
  const labels = (await hive.drones())[0]!.labels;
  return ['limits', 'bwrap'].filter((level) => labels[`sandbox.${level}`] !== undefined);
}
const childrenOf = async (parent: string): Promise<readonly JobInfo[]> =>
  (await hive.jobs({ hidden: true })).filter((job) => job.parent === parent);

describe.each(['limits', 'bwrap'] as const)('a task in %s', (level) => {
  const options = { nested: true, retries: 0, sandbox: level } as const;

  test('waits for what it has submitted, and gets values and errors', async () => {
    if (!(await levels()).includes(level)) return console.warn(`"${level}" is skipped: it is not there`);
    expect(await hive.map(`${TASKS}#sumOfDoubles`, [2, 3, 4], options)).toEqual([2, 6, 12]);
    expect(await hive.map(`${TASKS}#foldedBy`, [5], options)).toEqual([[0, 1, 2, 3, 4]]);
    expect(await hive.map(`${TASKS}#mixed`, [5], options)).toEqual([[5, 12, 14, 16]]);
    expect(await hive.map(`${TASKS}#searches`, [1_000], options)).toEqual([[{ at: 77 }, 2_000]]);
    expect(await hive.call(`${TASKS}#tellsError`, 7, options)).toContain('7 is too much');
    expect(await hive.call(`${TASKS}#describesError`, 7, options)).toMatchObject({
      name: 'RangeError',
      index: 0,
      outcome: 'failed',
    });
  });

  test('may submit tasks that do so, too', async () => {
    if (!(await levels()).includes(level)) return;
    expect(await hive.map(`${TASKS}#leaves`, [2], options)).toEqual([4]);
  });

  test('submits code into the same sandbox only, whatever it says', async () => {
    if (!(await levels()).includes(level)) return;
    const job = await hive.submit({ kind: `${TASKS}#wantsOut`, inputs: [1], ...options });
    expect((await job.done).state).toBe('succeeded');
    const children = await childrenOf(job.id);
    expect(children.map(({ kind, params }) => [kind, params?.['sandbox']]).sort()).toEqual([
      ['command', level],
      ['echo', undefined],
      ['function', level],
    ]);
    for (const { kind, labels } of children)
      if (kind !== 'echo') expect(labels).toHaveProperty([`sandbox.${level}`]);
  });

  test('is told what cannot be sent, and what is no task of its file', async () => {
    if (!(await levels()).includes(level)) return;
    await expect(hive.call(`${TASKS}#strays`, 1, options)).rejects.toThrow(
      'give a task that this file exports',
    );
    await expect(hive.call(`${TASKS}#foldedByStray`, 3, options)).rejects.toThrow(
      'give a task that this file exports',
    );
    await expect(hive.call(`${TASKS}#sendsFunction`, 1, options)).rejects.toThrow('could not be cloned');
    await expect(hive.call(`${TASKS}#sumOfDoubles`, 3, { retries: 0, sandbox: level })).rejects.toThrow(
      'nested: true',
    );
  });
});
