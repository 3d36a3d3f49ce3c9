import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addressesOf, inParallel, parsePortRange, parseScan, scan } from './scan.ts';

describe('a range of ports', () => {
  test.each([
    ['box:5000-5100', { host: 'box', first: 5000, last: 5100 }],
    ['10.0.0.5:5000', { host: '10.0.0.5', first: 5000, last: 5000 }],
    ['5001-5100', { host: '127.0.0.1', first: 5001, last: 5100 }],
    [':80', { host: '127.0.0.1', first: 80, last: 80 }],
    ['[fe80::1]:1-65535', { host: 'fe80::1', first: 1, last: 65_535 }],
  ])('%s', (text, range) => {
    expect(parsePortRange(text)).toEqual(range);
  });

  test.each(['', 'box', 'box:', 'box:0', 'box:5-4', 'box:1-65536', 'a b:1', '1-2-3', 'box:5000-', 'x@y:1'])(
    'is not %p',
    (text) => {
      expect(() => parsePortRange(text)).toThrow(/Write host:from-to, for instance/);
    },
  );

  test('several are gone through in order, and not too many', () => {
    const ranges = parseScan('a:1-2, b:7');
    expect([...addressesOf(ranges)].map(({ host, port }) => `${host}:${port}`)).toEqual([
      'a:1',
      'a:2',
      'b:7',
    ]);
    expect(() => parseScan('a:1-65535')).toThrow(/at most|Name fewer/);
    expect(() => parseScan(',')).toThrow(/1 to/);
  });
});

test('never more than so many attempts are under way, and each is made once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(60), fc.integer({ min: 1, max: 9 }), async (count, atOnce) => {
      let running = 0;
      let most = 0;
      const done: number[] = [];
      await inParallel(Array.from({ length: count }).keys(), atOnce, async (item) => {
        most = Math.max(most, ++running);
        for (let i = 0; i < item % 3; i++) await Promise.resolve();
        running--;
        done.push(item);
      });
      expect(most).toBeLessThanOrEqual(atOnce);
      expect(done.sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
    }),
  );
});

test('a scan finds who listens, and nobody else', async () => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // Few others: they may be somebody's.
  const first = Math.max(1, port - 2);
  const last = Math.min(65_535, port + 2);
  const found: number[] = [];
  await scan([{ host: '127.0.0.1', first, last }], (address) => found.push(address.port));
  expect(found).toContain(port);
  server.close();
  await once(server, 'close');
  const again: number[] = [];
  await scan([{ host: '127.0.0.1', first: port, last: port }], (address) => again.push(address.port));
  expect(again).toEqual([]);
});
