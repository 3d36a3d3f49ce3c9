/** Tasks that wait for what they have submitted: their slots are lent, never doubled. */
import { jobId, LIMITS } from '@hive/shared';
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

describe('a task that takes several slots', () => {
  const WIDE = jobId('01900000-0000-7000-8000-000000000002');
  beforeEach(() => {
    hive = new AgentDriver(3);
    hive.open(1);
    hive.spec(1, { slots: 2 }, WIDE);
    hive.assign(1, 1, [0, 1], { job: WIDE });
    hive.clear();
  });

  test('gives all of them away with one spare thread, and takes them back together', () => {
    waits(1);
    expect(opened()).toEqual([3]);
    ready(3);
    expect(hive.sent(1).reduce((sum, message) => sum + (message as { slots: number }).slots, 0)).toBe(2);
    for (const lease of [2, 3, 4]) hive.assign(1, lease, [lease * 10, 1]);
    expect(hive.runs.map(({ slot }) => slot)).toHaveLength(4);
    waits(1, false);
    hive.finish(2, 1);
    expect(goneOn()).toEqual([]);
    // Neither is a slot on offer that it waits for.
    hive.assign(1, 5, [50, 1]);
    expect(hive.runs).toHaveLength(4);
    hive.clear();
    hive.finish(3, 1);
    expect(goneOn()).toMatchObject([{ slot: runOf(1).slot, problem: null }]);
    hive.assign(1, 6, [60, 1]);
    expect(hive.runs).toHaveLength(4);
    hive.finish(4, 1);
    hive.assign(1, 7, [70, 1]);
    expect(hive.runs).toHaveLength(5);
  });

  test('is not overtaken by one that takes a single slot and asks later', () => {
    hive.assign(1, 2, [20, 1]);
    waits(1);
    ready(3);
    waits(2);
    ready(4);
    for (const lease of [3, 4, 5]) hive.assign(1, lease, [lease * 10, 1]);
    waits(1, false);
    waits(2, false);
    hive.clear();
    hive.finish(3, 1);
    expect(goneOn()).toEqual([]);
    hive.finish(4, 1);
    expect(goneOn()).toMatchObject([{ run: runOf(1).run }]);
    hive.clear();
    hive.finish(5, 1);
    expect(goneOn()).toMatchObject([{ run: runOf(2).run }]);
  });

  test('that ends while it waits has only one slot left to free', () => {
    waits(1);
    ready(3);
    for (const lease of [2, 3, 4]) hive.assign(1, lease, [lease * 10, 1]);
    hive.finish(1, 1);
    hive.assign(1, 5, [50, 1]);
    expect(hive.runs).toHaveLength(4);
    for (const lease of [2, 3, 4]) hive.finish(lease, 1);
    for (const lease of [6, 7]) hive.assign(1, lease, [lease * 10, 1], { job: WIDE });
    // Three slots: a second wide one has no place.
    expect(hive.runs).toHaveLength(5);
  });
});

test('never more than its slots run, whatever waits and comes back', () => {
  const SLOTS = 3;
  const WIDE = jobId('01900000-0000-7000-8000-000000000002');
  hive = new AgentDriver(SLOTS);
  hive.open(1);
  hive.spec(1, { slots: 2 }, WIDE);
  const running = new Set<number>();
  const waiting = new Set<number>();
  const widths = new Map<number, number>();
  let lease = 0;
  let state = 7;
  const below = (end: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * end);
  };
  const goOn = (one: number) => {
    waiting.delete(one);
    running.add(one);
  };
  const look = () => {
    for (const effect of hive.effects) {
      if (effect.type === 'openSlot') ready(effect.slot);
      if (effect.type === 'goOn') goOn([...waiting].find((one) => runOf(one).run === effect.run)!);
    }
    hive.clear();
  };
  const slotsTaken = () => [...running].reduce((slots, one) => slots + widths.get(one)!, 0);
  for (let turn = 0; turn < 4_000; turn++) {
    const what = below(4);
    const one = [...running][below(Math.max(1, running.size))];
    if (what === 0) {
      const before = hive.runs.length;
      const isWide = below(3) === 0;
      hive.assign(1, lease + 1, [lease, 1], isWide ? { job: WIDE } : {});
      if (hive.runs.length > before) running.add(++lease);
      widths.set(lease, widths.get(lease) ?? (isWide ? 2 : 1));
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
    expect(slotsTaken()).toBeLessThanOrEqual(SLOTS);
  }
  expect(lease).toBeGreaterThan(100);
  // Whoever waits can go on in the end, and then all slots are free.
  for (let rounds = 0; waiting.size + running.size > 0; rounds++) {
    expect(rounds).toBeLessThan(10_000);
    for (const other of waiting) waits(other, false);
    look();
    const [one] = running;
    expect(one).toBeDefined();
    hive.finish(one!, 1);
    running.delete(one!);
    look();
  }
  hive.assign(1, lease + 1, [lease, 1], { job: WIDE });
  hive.assign(1, lease + 2, [lease + 1, 1]);
  expect(hive.runs).toHaveLength(lease + 2);
});
