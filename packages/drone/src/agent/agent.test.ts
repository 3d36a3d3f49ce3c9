import { LIMITS, type Message, type MessageType } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { AgentDriver, JOB } from '../testing/agent-driver.ts';

let hive: AgentDriver;
beforeEach(() => {
  hive = new AgentDriver(2);
});
const types = (messages: readonly Message[]): MessageType[] => messages.map(({ type }) => type);

describe('a session', () => {
  test('begins with what is held and a request for every slot', () => {
    hive.open(1);
    expect(hive.sent(1)).toEqual([
      { type: 'Holdings', leases: [] },
      { type: 'TaskRequest', slots: 2 },
    ]);
  });

  test('says a heartbeat when nothing else was said, and ends in silence', () => {
    hive.open(1, { heartbeatMillis: 1_000 });
    hive.sent(1);
    hive.advance(999);
    expect(hive.sent(1)).toEqual([]);
    hive.advance(1);
    expect(types(hive.sent(1))).toEqual(['Heartbeat']);
    hive.advance(3_000);
    expect(hive.closed).toMatchObject([{ session: 1, code: 'silent' }]);
  });

  test('is not silent while bytes of a long message come in', () => {
    hive.open(1, { heartbeatMillis: 1_000 });
    for (let i = 0; i < 10; i++) {
      hive.step({ type: 'sessionHeard', session: 1 as never });
      hive.advance(1_000);
    }
    expect(hive.closed).toEqual([]);
  });

  test.each<[string, Message]>([
    ['a lease of an unknown job', { type: 'TaskAssign', lease: 1 as never, job: JOB, ranges: [0, 1] }],
    ['a message for clients', { type: 'Refused', code: 'badSpec', message: '' }],
  ])('is closed over %s', (_, message) => {
    hive.open(1);
    hive.receive(1, message);
    expect(hive.closed).toMatchObject([{ session: 1, code: 'protocolError' }]);
  });

  test.each([
    ['sizes that do not add up', { ranges: [0, 2], sizes: 3, data: new Uint8Array(5) }],
    ['no whole ranges', { ranges: [0], sizes: 0, data: new Uint8Array(0) }],
    ['an empty range', { ranges: [0, 0], sizes: 0, data: new Uint8Array(0) }],
    ['too many tasks', { ranges: [0, LIMITS.leaseTasksMax + 1], sizes: 0, data: new Uint8Array(0) }],
  ])('is closed over a lease with %s', (_, fields) => {
    hive.open(1);
    hive.spec(1);
    hive.receive(1, { type: 'TaskAssign', lease: 1 as never, job: JOB, ...fields });
    expect(hive.closed).toMatchObject([{ code: 'protocolError' }]);
  });

  test('takes the place of an older one with the same Queen', () => {
    hive.open(1);
    hive.open(2, { link: 2 });
    expect(hive.closed).toMatchObject([{ session: 1, code: 'replaced' }]);
    hive.clear();
    hive.assign(2, 1, [0, 1]);
    hive.finish(1, 1);
    expect(hive.sent(2)).toMatchObject([{ type: 'TaskComplete', ended: true }]);
  });
});

describe('work credit', () => {
  test('follows the free slots, with every Queen', () => {
    hive.open(1, { queen: 'a' });
    hive.open(2, { queen: 'b', link: 2 });
    hive.advance(5);
    hive.clear();
    hive.assign(1, 1, [0, 4]);
    expect(hive.sent(1)).toEqual([]);
    expect(hive.sent(2)).toEqual([{ type: 'TaskRequest', slots: -1 }]);
    hive.finish(1, 4);
    expect(hive.sent(1)).toMatchObject([{ type: 'TaskComplete', count: 4, ended: true, request: true }]);
    expect(hive.sent(2)).toEqual([{ type: 'TaskRequest', slots: 1 }]);
  });

  test('does not rise for a place in which another lease waits', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 1]);
    hive.assign(1, 2, [1, 1], { behind: 1 });
    hive.clear();
    hive.finish(1, 1);
    const [done] = hive.sent(1) as Message<'TaskComplete'>[];
    expect(done).toMatchObject({ lease: 1, ended: true });
    expect(done!.request).toBeUndefined();
    expect(hive.runs.at(-1)).toMatchObject({ ranges: [1, 1] });
  });

  test('is used up by a lease that was sent behind one that had ended', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 1]);
    hive.finish(1, 1);
    hive.clear();
    hive.assign(1, 2, [1, 1], { behind: 1 });
    expect(hive.sent(1)).toEqual([]);
    expect(hive.runs.at(-1)).toMatchObject({ ranges: [1, 1] });
  });

  test('is asked for again after a lease was handed back', () => {
    hive = new AgentDriver(1);
    hive.open(1);
    hive.assign(1, 1, [0, 1]);
    hive.clear();
    hive.assign(1, 2, [1, 1]);
    expect(hive.sent(1)).toEqual([
      { type: 'Retracted', lease: 2, end: 0 },
      { type: 'TaskRequest', slots: 1 },
    ]);
  });

  test('goes to nothing when the Queen says Drain', () => {
    hive.open(1);
    hive.clear();
    hive.receive(1, { type: 'Drain' });
    expect(hive.sent(1)).toEqual([{ type: 'TaskRequest', slots: -2 }]);
  });

  test('waits for a slot whose thread died', () => {
    hive.open(1);
    hive.clear();
    hive.step({ type: 'slotDied', slot: 0, run: null, position: null, message: 'gone' });
    expect(hive.sent(1)).toEqual([{ type: 'TaskRequest', slots: -1 }]);
    hive.step({ type: 'slotReady', slot: 0 });
    expect(hive.sent(1)).toEqual([{ type: 'TaskRequest', slots: 1 }]);
  });
});

describe('a job of several slots', () => {
  test('takes as many, and runs in one of them', () => {
    hive.open(1);
    hive.spec(1, { slots: 2 });
    hive.assign(1, 1, [0, 1]);
    expect(hive.runs).toHaveLength(1);
    hive.clear();
    hive.finish(1, 1);
    expect(hive.sent(1)).toMatchObject([{ ended: true, request: true }]);
  });

  test('is handed back when there are not as many', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 1]);
    hive.spec(1, { slots: 2 });
    hive.clear();
    hive.assign(1, 2, [1, 1]);
    expect(hive.sent(1)[0]).toEqual({ type: 'Retracted', lease: 2, end: 0 });
  });
});

describe('results', () => {
  test('are reported by contiguous indices, whatever the ranges', () => {
    hive.open(1);
    hive.assign(1, 1, [5, 2, 100, 3]);
    hive.clear();
    hive.finish(1, 5);
    expect(hive.sent(1)).toMatchObject([
      { at: 0, first: 5, count: 2 },
      { at: 2, first: 100, count: 3, ended: true },
    ]);
  });

  test('pause a slot that has too much of them unacknowledged', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 20]);
    hive.report(1, 8, { size: 2 ** 20 });
    expect(hive.effects.map(({ type }) => type)).toContain('pauseSlot');
    hive.clear();
    hive.receive(1, { type: 'ResultAck', leases: [1, 8] });
    expect(hive.effects.map(({ type }) => type)).toContain('resumeSlot');
  });

  test('keep the next lease waiting, and no work is asked for, until they are acknowledged', () => {
    hive = new AgentDriver(1);
    hive.open(1);
    hive.assign(1, 1, [0, 9]);
    hive.assign(1, 2, [9, 1], { behind: 1 });
    hive.finish(1, 9, { size: 2 ** 20 });
    expect(hive.runs).toHaveLength(1);
    hive.receive(1, { type: 'ResultAck', leases: [1, 9] });
    expect(hive.runs).toHaveLength(2);
  });

  test('are split so that no page is too large', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 3]);
    hive.clear();
    hive.finish(1, 3, { size: 2 ** 20 });
    expect(hive.sent(1)).toHaveLength(3);
  });

  test('carry texts for people, though not more than about twenty a second', () => {
    hive.open(1);
    for (let n = 1; n <= 100; n++) {
      hive.assign(1, n, [n, 1]);
      hive.finish(n, 1);
    }
    const shown = (hive.sent(1) as Message<'TaskComplete'>[]).filter(({ display }) => display !== undefined);
    expect(shown).toHaveLength(20);
    expect(shown[0]!.display).toBe('1 bytes -> 1 bytes');
  });
});

describe('while a Queen is away', () => {
  test('leases go on, and she hears of everything when she is back', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 4]);
    hive.assign(1, 2, [4, 2]);
    hive.report(1, 1);
    hive.step({ type: 'sessionClosed', session: 1 as never });
    hive.report(1, 1);
    hive.finish(2, 2);
    hive.clear();
    hive.open(2);
    expect(hive.sent(2)).toMatchObject([
      { type: 'Holdings', leases: [{ lease: 1, done: 2, ranges: [0, 4] }] },
      { type: 'TaskComplete', lease: 1, at: 0 },
      { type: 'TaskComplete', lease: 1, at: 1 },
      { type: 'TaskComplete', lease: 2, at: 0, ended: true },
      { type: 'TaskRequest', slots: 1 },
    ]);
  });

  test('what was kept is said no faster than it is acknowledged, and what is new waits its turn', () => {
    hive = new AgentDriver(4);
    hive.open(1);
    for (let n = 1; n <= 4; n++) {
      hive.assign(1, n, [n * 100, 10]);
      hive.report(n, 4, { size: 2 ** 20 });
    }
    hive.step({ type: 'sessionClosed', session: 1 as never });
    hive.clear();
    hive.open(2);
    const heard = () =>
      hive.sent(2).flatMap((m) => (m.type === 'TaskComplete' ? [`${m.lease}:${m.at}`] : []));
    expect(heard()).toEqual(['1:0', '1:1', '1:2', '1:3', '2:0', '2:1', '2:2', '2:3']);
    hive.report(4, 1);
    expect(heard()).toEqual([]);
    hive.receive(2, { type: 'ResultAck', leases: [1, 4, 2, 4] });
    hive.receive(2, { type: 'ResultAck', leases: [3, 4] });
    expect(heard()).toEqual(['3:0', '3:1', '3:2', '3:3', '4:0', '4:1', '4:2', '4:3', '4:4']);
  });

  test('a stream that a task reads is asked for again', () => {
    hive.open(1);
    hive.assign(1, 1, [7, 1]);
    hive.step({ type: 'slotPulled', slot: 0, run: 1, position: 0, offset: 0, length: 10 });
    hive.step({ type: 'sessionClosed', session: 1 as never });
    hive.clear();
    hive.open(2);
    expect(hive.sent(2)[1]).toMatchObject({ type: 'StreamGet', index: 7, offset: 0, length: 10, lease: 1 });
  });

  test('her leases are dropped once nobody can be her any more', () => {
    hive.open(1, { queen: 'a', link: 1 });
    hive.open(2, { queen: 'b', link: 2 });
    hive.assign(1, 1, [0, 1]);
    hive.step({ type: 'sessionClosed', session: 1 as never });
    hive.clear();
    hive.step({ type: 'linkRemoved', link: 1 });
    expect(hive.effects).toContainEqual(expect.objectContaining({ type: 'abortTask', position: null }));
    hive.finish(1, 0);
    expect(hive.sent(2).at(-1)).toEqual({ type: 'TaskRequest', slots: 1 });
  });
});

describe('a task that has to stop', () => {
  test('loses its thread when it does not heed its cancellation', () => {
    hive.open(1, { heartbeatMillis: 1_000_000 });
    hive.assign(1, 1, [0, 2]);
    hive.receive(1, { type: 'CancelTask', lease: 1 as never, reason: 'no' });
    hive.clear();
    hive.advance(LIMITS.killMillis - 1, { task: 0 });
    expect(hive.effects.some(({ type }) => type === 'killSlot')).toBe(false);
    hive.advance(1, { task: 0 });
    expect(hive.effects.some(({ type }) => type === 'killSlot')).toBe(true);
    hive.step({ type: 'slotDied', slot: 0, run: 1, position: 0, message: 'killed' });
    expect(hive.sent(1)).toMatchObject([{ type: 'TaskComplete', count: 0, ended: true }]);
    hive.step({ type: 'slotReady', slot: 0 });
    expect(hive.sent(1)).toEqual([{ type: 'TaskRequest', slots: 1 }]);
  });

  test('is timed out by the job’s limit, and not the one that came after it', () => {
    hive.open(1, { heartbeatMillis: 1_000_000 });
    hive.spec(1, { attemptTimeoutMillis: 500 });
    hive.assign(1, 1, [0, 3]);
    hive.advance(500, { task: 0 });
    expect(hive.effects.some(({ type }) => type === 'killSlot')).toBe(true);
    hive.report(1, 1);
    hive.clear();
    hive.step({ type: 'slotDied', slot: 0, run: 1, position: 1, message: 'killed' });
    expect(hive.sent(1)[0]).toMatchObject({ type: 'TaskComplete', at: 1, count: 0, ended: true });
  });

  test('has a limit for its reducer, if the job has none', () => {
    hive.open(1, { heartbeatMillis: 1_000_000 });
    hive.assign(1, 1, [0, 3]);
    const kills = () => hive.effects.filter(({ type }) => type === 'killSlot');
    hive.advance(2 * LIMITS.foldMillisMax, { task: 0 });
    expect(kills()).toEqual([]);
    hive.advance(LIMITS.foldMillisMax, { task: 0, folds: true });
    expect(kills()).toMatchObject([
      {
        outcome: 'timedOut',
        message: expect.stringContaining('The reducer did not give a value within 300 s'),
      },
    ]);
  });

  test('leaves the next one a limit of its own, when it ended without its thread', () => {
    hive.open(1, { heartbeatMillis: 1_000_000 });
    hive.spec(1, { attemptTimeoutMillis: 500 });
    hive.assign(1, 1, [0, 3]);
    const kills = () => hive.effects.filter(({ type }) => type === 'killSlot');
    hive.advance(500, { task: 0 });
    expect(kills()).toMatchObject([{ outcome: 'timedOut', message: expect.stringContaining('500 ms') }]);
    hive.advance(100, { task: 0 });
    expect(kills()).toHaveLength(1);
    hive.report(1, 1);
    hive.advance(500, { task: 1 });
    expect(kills()).toHaveLength(2);
  });
});

describe('a drain', () => {
  test('hands back what waits, and what comes too late', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 4]);
    hive.assign(1, 2, [4, 1], { behind: 1 });
    hive.clear();
    hive.step({ type: 'drainRequested' });
    hive.assign(1, 3, [5, 1]);
    expect(hive.sent(1)).toEqual([
      { type: 'Retracted', lease: 2, end: 0 },
      { type: 'Drain' },
      { type: 'TaskRequest', slots: -1 },
      { type: 'Retracted', lease: 3, end: 0 },
      { type: 'TaskRequest', slots: 1 },
    ]);
    expect(hive.effects).toContainEqual(expect.objectContaining({ type: 'retractLease', run: 1, end: 0 }));
  });

  test('ends when nothing runs and nothing waits for an acknowledgement', () => {
    hive.open(1);
    hive.assign(1, 1, [0, 4]);
    hive.step({ type: 'drainRequested' });
    hive.finish(1, 2);
    expect(hive.effects.some(({ type }) => type === 'drained')).toBe(false);
    hive.receive(1, { type: 'ResultAck', leases: [1, 2] });
    expect(hive.effects.some(({ type }) => type === 'drained')).toBe(true);
  });
});

describe('what tasks print', () => {
  const printed = { type: 'slotPrinted', slot: 0, run: 1, stream: 'stdout', offset: 0 } as const;
  const data = new Uint8Array([1]);

  test('is told while the Queen watches, by the index of the task', () => {
    hive.open(1);
    hive.assign(1, 7, [5, 3]);
    hive.clear();
    hive.step({ ...printed, position: 1, data });
    expect(hive.sent(1)).toEqual([]);
    hive.receive(1, { type: 'WatchOutput', job: JOB, on: true });
    expect(hive.effects).toContainEqual({ type: 'watchSlot', slot: 0, run: 1, on: true });
    hive.step({ ...printed, position: 1, data });
    expect(hive.sent(1)).toEqual([
      { type: 'TaskOutput', lease: 7, index: 6, stream: 'stdout', offset: 0, data },
    ]);
    hive.step({ ...printed, run: 9, position: 1, data });
    hive.receive(1, { type: 'WatchOutput', job: JOB, on: false });
    expect(hive.effects).toContainEqual({ type: 'watchSlot', slot: 0, run: 1, on: false });
    hive.step({ ...printed, position: 1, data });
    expect(hive.sent(1)).toEqual([]);
  });

  test('is watched from the start of a lease that comes later, and no more in another session', () => {
    hive.open(1);
    hive.receive(1, { type: 'WatchOutput', job: JOB, on: true });
    hive.assign(1, 1, [0, 1]);
    expect(hive.effects).toContainEqual(expect.objectContaining({ type: 'startLease', isWatched: true }));
    hive.step({ type: 'sessionClosed', session: 1 as never });
    hive.open(2);
    hive.clear();
    hive.step({ ...printed, position: 0, data });
    expect(hive.sent(2)).toEqual([]);
  });
});
