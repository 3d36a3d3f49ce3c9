/** A Drone that asks to be dialled for its tasks, again and again, and says nothing then: the Queen keeps few such lines. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Message, peerId } from '@hive/shared';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DroneDialler } from './dialler.ts';
import type { Gate } from './handshake.ts';

const DRONE = peerId('d'.repeat(32));
const HELLO = { role: 'drone', peer: DRONE } as Message<'Hello'>;
const TASK = { role: 'client', task: {} } as Message<'Hello'>;

let drone: Server;
let dialler: DroneDialler;
/** What was dialled, in order; the first is the Drone's own session. */
let lines: { readonly socket: Socket; readonly gate: Gate }[];
let changed: () => void = () => {};
beforeEach(async () => {
  lines = [];
  drone = createServer(() => {});
  drone.listen(0, '127.0.0.1');
  await once(drone, 'listening');
  const { port } = drone.address() as AddressInfo;
  dialler = new DroneDialler([{ host: '127.0.0.1', first: port, last: port }], (socket, gate) => {
    socket.once('close', () => gate.closed());
    lines.push({ socket, gate });
    changed();
  });
  await dialled(1);
  expect(lines[0]!.gate.refusal(HELLO)).toBeNull();
});
afterEach(async () => {
  for (const { socket } of lines) socket.destroy();
  await dialler.close();
  drone.close();
});
async function dialled(count: number): Promise<void> {
  while (lines.length < count) await new Promise<void>((resolve) => (changed = resolve));
}

test('no more than a Drone can await, and more when tasks have said Hello on them, or are gone', async () => {
  const ask = async (expected: number) => {
    for (let more = lines.length; more <= expected; more++) {
      dialler.dialBack(DRONE);
      await dialled(more + 1);
    }
    for (let times = 0; times < 100; times++) dialler.dialBack(DRONE);
  };
  await ask(64);
  expect(lines[1]!.gate.refusal(TASK)).toBeNull();
  expect(lines[1]!.gate.refusal(TASK)).toBeNull();
  await ask(65);
  const { socket } = lines[2]!;
  socket.destroy();
  await once(socket, 'close');
  await ask(66);
  await dialler.close();
  expect(lines).toHaveLength(67);
});
