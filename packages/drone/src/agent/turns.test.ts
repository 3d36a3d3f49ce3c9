import type { Message } from '@hive/shared';
import { beforeEach, expect, test } from '@jest/globals';
import { AgentDriver } from '../testing/agent-driver.ts';
import { TURN_MILLIS } from './turns.ts';

const [A, B] = [1, 2];
const MORE: Message = { type: 'TaskRequest', slots: 1 };
const LESS: Message = { type: 'TaskRequest', slots: -1 };
let hive: AgentDriver;

beforeEach(() => {
  hive = new AgentDriver(1);
  openBoth();
  hive.spec(A);
  hive.spec(B);
  hive.clear();
});
function openBoth(): void {
  hive.open(A, { queen: 'a', heartbeatMillis: 1e6 });
  hive.open(B, { queen: 'b', link: 2, heartbeatMillis: 1e6 });
  // Credit is not taken back at once after it was given.
  hive.advance(5);
}
const workWaits = (session: number, slots = 1) => {
  hive.receive(session, { type: 'WorkWaits', slots });
  hive.advance(5);
};

test('a lease that comes second is handed back at once, and no credit for it is left', () => {
  hive.assign(A, 1, [0, 1]);
  hive.assign(B, 2, [7, 1]);
  expect(hive.sent(B)).toEqual([LESS, { type: 'Retracted', lease: 2, end: 0 }, MORE]);
});

test('a place that falls free is offered to the Queen whose work waits, and to nobody else', () => {
  hive.assign(A, 1, [0, 1]);
  workWaits(B);
  hive.clear();
  hive.finish(1, 1);
  expect(hive.sent(A)).toMatchObject([{ type: 'TaskComplete', ended: true }]);
  expect(hive.sent(B)).toEqual([MORE]);
  // A lease that was sent before she knew does not take the place away.
  hive.assign(A, 3, [1, 1]);
  expect(hive.sent(A)).toEqual([{ type: 'Retracted', lease: 3, end: 0 }, MORE]);
  hive.assign(B, 4, [7, 1]);
  expect(hive.runs).toHaveLength(2);
});

test('Queens whose work waits take turns, by the slot time that each has had', () => {
  workWaits(A);
  workWaits(B);
  hive.clear();
  const order: string[] = [];
  const credit = new Map([
    [A, 1],
    [B, 0],
  ]);
  for (let lease = 1; lease <= 40; lease++) {
    const session = credit.get(A) === 1 ? A : B;
    expect([...credit.values()].sort()).toEqual([0, 1]);
    hive.assign(session, lease, [lease, 1]);
    credit.set(session, 0);
    hive.advance(session === A ? 90 : 30);
    order.push(session === A ? 'a' : 'b');
    hive.finish(lease, 1);
    for (const each of [A, B])
      for (const message of hive.sent(each)) credit.set(each, credit.get(each)! + offerOf(message));
  }
  // Those of one take three times as long.
  expect(order.filter((who) => who === 'a').length).toBe(10);
});

test('leases that follow one another leave their place after a turn, when work of others waits', () => {
  hive.assign(A, 1, [0, 1]);
  hive.assign(A, 2, [1, 1], { behind: 1 });
  workWaits(B);
  hive.advance(TURN_MILLIS / 2);
  hive.finish(1, 1);
  expect(hive.runs).toHaveLength(2);
  hive.assign(A, 3, [2, 1], { behind: 2 });
  hive.advance(TURN_MILLIS);
  hive.clear();
  hive.finish(2, 1);
  expect(hive.sent(A)).toMatchObject([
    { type: 'Retracted', lease: 3, end: 0 },
    { type: 'TaskComplete', lease: 2, ended: true },
  ]);
  expect(hive.sent(B)).toEqual([MORE]);
});

test('leases that follow one another stay, as long as nobody else has work', () => {
  hive.assign(A, 1, [0, 1]);
  for (let lease = 2; lease < 20; lease++) {
    hive.assign(A, lease, [lease, 1], { behind: lease - 1 });
    hive.advance(TURN_MILLIS);
    hive.clear();
    hive.finish(lease - 1, 1);
    expect(hive.sent(B)).toEqual([]);
  }
  expect(hive.runs).toHaveLength(19);
});

test('a Queen who does not take what she is offered is passed over until she says something', () => {
  workWaits(A);
  workWaits(B);
  hive.assign(A, 1, [0, 1]);
  hive.advance(10);
  hive.clear();
  hive.finish(1, 1);
  expect(hive.sent(B)).toEqual([MORE]);
  hive.advance(250);
  expect(hive.sent(B)).toContainEqual(LESS);
  expect(hive.sent(A)).toContainEqual(MORE);
  hive.assign(A, 2, [1, 1]);
  workWaits(B);
  hive.advance(10);
  hive.clear();
  hive.finish(2, 1);
  expect(hive.sent(B)).toEqual([MORE]);
});

test('who was idle does not make up for it', () => {
  workWaits(A);
  for (let lease = 1; lease <= 10; lease++) {
    hive.assign(A, lease, [lease, 1]);
    hive.advance(1_000);
    if (lease === 9) workWaits(B);
    hive.clear();
    hive.finish(lease, 1);
    if (lease === 9) {
      expect(hive.sent(B)).toEqual([MORE]);
      hive.assign(B, 100, [50, 1]);
      hive.advance(1_500);
      hive.clear();
      hive.finish(100, 1);
      expect(hive.sent(A)).toEqual([MORE]);
    }
  }
});

test('a task of several slots gets them one by one, and nothing else comes in between', () => {
  hive = new AgentDriver(2);
  openBoth();
  hive.spec(A);
  hive.spec(B, { slots: 2 });
  hive.assign(A, 1, [0, 1]);
  hive.assign(A, 2, [1, 1]);
  workWaits(A);
  workWaits(B, 2);
  hive.clear();
  hive.finish(1, 1);
  expect(hive.sent(B)).toEqual([MORE]);
  hive.advance(500);
  hive.clear();
  hive.finish(2, 1);
  expect(hive.sent(A)).toMatchObject([{ type: 'TaskComplete' }]);
  expect(hive.sent(B)).toEqual([MORE]);
  hive.assign(B, 3, [9, 1]);
  expect(hive.runs).toHaveLength(3);
});

test('a Queen whose session ends leaves her offer to the others', () => {
  workWaits(B);
  expect(hive.sent(A)).toEqual([LESS]);
  hive.step({ type: 'sessionClosed', session: B as never });
  expect(hive.sent(A)).toEqual([MORE]);
});

function offerOf(message: Message): number {
  if (message.type === 'TaskRequest') return message.slots;
  return message.type === 'TaskComplete' && message.request === true ? 1 : 0;
}
