/** Tasks that wait for what they have submitted: their slots are lent, never doubled. */
import { LIMITS } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { AgentDriver } from '../testing/agent-driver.ts';

let hive: AgentDriver;
beforeEach(() => {
  hive = new AgentDriver(1);
  hive.open(1);
  hive.assign(1, 1, [0, 1]);
  hive.clear();
});
const runOf = (lease: number) => hive.runs[lease - 1]!;
const waits = (lease: number, isWaiting = true) => {
  const { slot, run } = runOf(lease);
  hive.step({ type: 'slotWaits', slot, run, waits: isWaiting });
};
const goneOn = () => hive.effects.filter(({ type }) => type === 'goOn');
const opened = () => hive.effects.flatMap((effect) => (effect.type === 'openSlot' ? [effect.slot] : []));
const ready = (slot: number) => hive.step({ type: 'slotReady', slot });

describe('a task that waits', () => {
  test('gives its slot away: another thread is started, and work asked for when that is up', () => {
    waits(1);
    expect(opened()).toEqual([1]);
    expect(hive.sent(1)).toEqual([]);
    ready(1);
    expect(hive.sent(1)).toEqual([{ type: 'TaskRequest', slots: 1 }]);
    hive.assign(1, 2, [5, 1]);
    expect(runOf(2)).toMatchObject({ slot: 1 });
  });

  test('runs on at once when its slot is still free, and no more work is asked for', () => {
    waits(1);
    ready(1);
    hive.clear();
    waits(1, false);
    expect(goneOn()).toMatchObject([{ slot: 0, problem: null }]);
    expect(hive.sent(1)).toEqual([{ type: 'TaskRequest', slots: -1 }]);
  });

  test('runs on only when what runs in its slot has ended, before anything else begins', () => {
    waits(1);
    ready(1);
    hive.assign(1, 2, [5, 1]);
    hive.assign(1, 3, [6, 1], { behind: 2 });
    waits(1, false);
    expect(goneOn()).toEqual([]);
    hive.clear();
    hive.finish(2, 1);
    expect(goneOn()).toMatchObject([{ slot: 0, problem: null }]);
    // What waited behind is handed back, and nothing is asked for.
    expect(hive.runs.length).toBe(2);
    expect(hive.sent(1)).toMatchObject([
      { type: 'Retracted', lease: 3, end: 0 },
      { type: 'TaskComplete', ended: true },
    ]);
    waits(1);
    hive.assign(1, 4, [7, 1]);
    expect(hive.runs.length).toBe(3);
  });

  test('has nothing waiting behind it', () => {
    hive.assign(1, 2, [5, 1], { behind: 1 });
    waits(1);
    expect(hive.sent(1)).toMatchObject([{ type: 'Retracted', lease: 2, end: 0 }]);
    hive.assign(1, 3, [6, 1], { behind: 1 });
    expect(hive.sent(1)).toMatchObject([{ type: 'Retracted', lease: 3, end: 0 }]);
  });

  test('leaves its place whole when its thread dies, or it ends without a word', () => {
    waits(1);
    ready(1);
    const { slot, run } = runOf(1);
    hive.step({ type: 'slotDied', slot, run, position: 0, message: 'gone' });
    hive.assign(1, 2, [5, 1]);
    hive.assign(1, 3, [6, 1]);
    // One slot, one lease: the second has no place.
    expect(hive.runs.length).toBe(2);
    hive.clear();
    hive.finish(2, 1);
    expect(goneOn()).toEqual([]);
  });

  test('is told to give up where too many wait', () => {
    const most = LIMITS.nestedLevels;
    for (let lease = 1; lease <= most; lease++) {
      waits(lease);
      ready(lease);
      hive.assign(1, lease + 1, [lease * 10, 1]);
    }
    hive.clear();
    waits(most + 1);
    expect(opened()).toEqual([]);
    expect(goneOn()).toMatchObject([{ problem: expect.stringContaining('Too many tasks') }]);
  });
});

test('never more than its slots run, whatever waits and comes back', () => {
  hive = new AgentDriver(2);
  hive.open(1);
  const running = new Set<number>();
  const waiting = new Set<number>();
  let lease = 0;
  let state = 7;
  const below = (end: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * end);
  };
  const look = () => {
    for (const effect of hive.effects) {
      if (effect.type === 'openSlot') ready(effect.slot);
      if (effect.type !== 'goOn') continue;
      const back = [...waiting].find((one) => runOf(one).run === effect.run)!;
      waiting.delete(back);
      running.add(back);
    }
    hive.clear();
  };
  for (let turn = 0; turn < 2_000; turn++) {
    const what = below(4);
    const one = [...running][below(Math.max(1, running.size))];
    if (what === 0) {
      const before = hive.runs.length;
      hive.assign(1, lease + 1, [lease, 1]);
      if (hive.runs.length > before) running.add(++lease);
    } else if (what === 1 && one !== undefined) {
      hive.finish(one, 1);
      running.delete(one);
    } else if (what === 2 && one !== undefined) {
      waits(one);
      running.delete(one);
      waiting.add(one);
    } else {
      for (const other of [...waiting].slice(0, 1)) waits(other, false);
    }
    look();
    expect(running.size).toBeLessThanOrEqual(2);
  }
  expect(lease).toBeGreaterThan(100);
});
