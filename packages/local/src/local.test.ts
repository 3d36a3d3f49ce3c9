import { connect as dialSocket } from 'node:net';
import { parseAddress } from '@hive/shared/node';
import { expect, test } from '@jest/globals';
import { startLocal } from './index.ts';

/** Whether somebody listens there. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dialSocket(parseAddress(address), () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('a Queen and Drones in this process start and end', async () => {
  const local = await startLocal({ drones: 2, slots: 1 });
  expect(local.drones.map(({ name, slots }) => [name, slots])).toEqual([
    ['local-1', 1],
    ['local-2', 1],
  ]);
  expect(await answers(local.address)).toBe(true);
  await local.stop();
  expect(await answers(local.address)).toBe(false);
  expect(await Promise.all(local.drones.map(({ closed }) => closed))).toEqual([
    { how: 'stopped' },
    { how: 'stopped' },
  ]);
});

test('Drones in this process join a Queen that runs already', async () => {
  const first = await startLocal({ drones: 0 });
  const more = await startLocal({ drones: 1, slots: 1, queen: first.address, key: first.key! });
  expect(more.address).toBe(first.address);
  await more.stop();
  expect(await answers(first.address)).toBe(true);
  await first.stop();
});

test('options that make no sense are refused, and nothing is left', async () => {
  await expect(startLocal({ slots: 0 })).rejects.toMatchObject({ name: 'UsageError' });
});
