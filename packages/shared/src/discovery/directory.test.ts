import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS } from '../limits.ts';
import { clusterId, incarnation, queenId } from '../units.ts';
import type { Announcement } from './datagram.ts';
import { QueenDirectory } from './directory.ts';

const queenOf = (n: number) => queenId(String(n).padStart(32, '0'));
const lifeOf = (n: number) => incarnation(String(n).padStart(16, '0'));
function said(queen: number, serial: number, more: Partial<Announcement> = {}): Announcement {
  return {
    cluster: clusterId('c'.repeat(32)),
    queen: queenOf(queen),
    incarnation: lifeOf(queen * 100 + (more.epoch ?? 1)),
    epoch: 1,
    serial,
    port: 8080,
    everyMillis: 5_000,
    name: `queen ${queen}`,
    ...more,
  };
}
const KEPT_MILLIS = 16_000;

describe('a Queen', () => {
  test('is known from her first announcement until three are missing and a second has passed', () => {
    const directory = new QueenDirectory();
    expect(directory.hear(said(1, 1), '10.0.0.1', 0)).toBe('new');
    expect(directory.hear(said(1, 2), '10.0.0.1', 5_000)).toBe('known');
    expect(directory.nextDeadline()).toBe(5_000 + KEPT_MILLIS);
    expect(directory.expire(5_000 + KEPT_MILLIS - 1)).toEqual([]);
    expect(directory.expire(5_000 + KEPT_MILLIS)).toMatchObject([{ queen: queenOf(1) }]);
    expect(directory.nextDeadline()).toBeNull();
  });

  test('with several addresses is known by all of them, this machine first', () => {
    const directory = new QueenDirectory();
    directory.hear(said(1, 1), '10.0.0.1', 0);
    expect(directory.hear(said(1, 2), '127.0.0.1', 0)).toBe('moved');
    expect(directory.hear(said(1, 3), '10.0.0.1', 0)).toBe('known');
    expect(directory.get(queenOf(1))!.addresses).toEqual([
      { host: '127.0.0.1', port: 8080 },
      { host: '10.0.0.1', port: 8080 },
    ]);
    for (let n = 0; n < 100; n++) directory.hear(said(1, 4 + n), `10.1.0.${n}`, 0);
    expect(directory.get(queenOf(1))!.addresses).toHaveLength(LIMITS.queenAddressesMax);
  });

  test('who was started again has one address, the new one; what her old life said counts no more', () => {
    const directory = new QueenDirectory();
    directory.hear(said(1, 700), '10.0.0.1', 0);
    expect(directory.hear(said(1, 1, { epoch: 2, port: 8081 }), '10.0.0.1', 0)).toBe('moved');
    expect(directory.get(queenOf(1))!.addresses).toEqual([{ host: '10.0.0.1', port: 8081 }]);
    expect(directory.hear(said(1, 900), '10.6.6.6', 0)).toBe('stale');
  });

  test('who has left one address is forgotten there when it was silent for as long as a Queen is kept', () => {
    const directory = new QueenDirectory();
    directory.hear(said(1, 1), '10.0.0.1', 0);
    for (let at = 5_000, serial = 2; at <= KEPT_MILLIS; at += 5_000) {
      directory.hear(said(1, serial++), '10.0.0.2', at);
    }
    expect(directory.get(queenOf(1))!.addresses.map(({ host }) => host)).toEqual(['10.0.0.1', '10.0.0.2']);
    directory.hear(said(1, 9), '10.0.0.2', KEPT_MILLIS);
    expect(directory.get(queenOf(1))!.addresses.map(({ host }) => host)).toEqual(['10.0.0.2']);
  });
});

describe('a datagram that is sent again', () => {
  test('changes nothing, whoever sends it, however often, also after the Queen was forgotten', () => {
    const directory = new QueenDirectory();
    const announcement = said(1, 5);
    expect(directory.hear(announcement, '10.0.0.1', 0)).toBe('new');
    for (let at = 0; at < 10 * KEPT_MILLIS; at += 1_000) {
      expect(directory.hear(announcement, '10.6.6.6', at)).toBe('stale');
    }
    expect(directory.queens()).toEqual([]);
  });

  test('costs at most one dial: no datagram is new or moved twice', () => {
    const sent = fc.tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 3 }),
      fc.nat(8_000),
    );
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 100 }), (datagrams) => {
        const directory = new QueenDirectory();
        const dials = new Map<string, number>();
        let now = 0;
        for (const [queen, epoch, serial, host, millis] of datagrams) {
          now += millis;
          const heard = directory.hear(said(queen, serial, { epoch }), `10.0.0.${host}`, now);
          if (heard !== 'new' && heard !== 'moved') continue;
          const datagram = `${queen} ${epoch} ${serial}`;
          dials.set(datagram, (dials.get(datagram) ?? 0) + 1);
        }
        expect(Math.max(0, ...dials.values())).toBeLessThanOrEqual(1);
      }),
    );
  });
});

test('memory is bounded, whatever is heard', () => {
  const directory = new QueenDirectory();
  for (let n = 0; n < 3_000; n++) directory.hear(said(n, 1), '10.0.0.1', n);
  expect(directory.size).toBe(LIMITS.queensKnownMax);
  expect(directory.hear(said(5_000, 1), '10.0.0.1', 3_000)).toBe('full');
  for (let n = 0; n < 3_000; n++) directory.hear(said(n, 1, { epoch: 2 }), '10.0.0.1', 100_000 * n);
  expect(directory.remembered).toBe(LIMITS.serialsRememberedMax);
});
