/** The rule for requests without a key, condition by condition, and what the kernel's table says of a connection. */
import { describe, expect, test } from '@jest/globals';
import { type Request, whyKeyIsNeeded } from './own-machine.ts';
import { Rate } from './rate.ts';
import { ownerIn, SocketOwners } from './socket-owner.ts';

function request(headers: Record<string, string>, more: Partial<Request> = {}): Request {
  const all = { host: 'localhost:3000', ...headers };
  return {
    remoteAddress: '127.0.0.1',
    localPort: 3000,
    headers: all,
    rawHeaders: Object.entries(all).flat(),
    url: '/api/v1/jobs',
    ...more,
  };
}

describe('a request without a key', () => {
  test.each([
    ['as curl sends it', request({})],
    ['to 127.0.0.1', request({ host: '127.0.0.1:3000' })],
    ['to ::1', request({ host: '[::1]:3000' }, { remoteAddress: '::1' })],
    ['by IPv4 to a socket of IPv6', request({}, { remoteAddress: '::ffff:127.0.0.1' })],
    ['with a name in capitals', request({ host: 'LOCALHOST:3000' })],
    ['to port 80', request({ host: 'localhost' }, { localPort: 80 })],
    ['from our own page', request({ origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' })],
    ['typed into a browser', request({ 'sec-fetch-site': 'none' })],
  ])('%s is served', (_, one) => {
    expect(whyKeyIsNeeded(one)).toBe(null);
  });

  test.each([
    ['from another machine', request({}, { remoteAddress: '192.0.2.7' }), /does not come from this machine/],
    ['from nowhere', request({}, { remoteAddress: undefined }), /does not come from this machine/],
    ['to a name that was bound to us', request({ host: 'evil.example:3000' }), /Host is not localhost:3000/],
    ['to a name that only begins like ours', request({ host: 'localhost:3000.evil.example' }), /Host/],
    ['to another port', request({ host: 'localhost:3001' }), /Host/],
    ['without a port', request({ host: 'localhost' }), /Host/],
    ['without a host', request({}, { headers: {}, rawHeaders: [] }), /Host/],
    [
      'with two hosts',
      request({}, { rawHeaders: ['Host', 'localhost:3000', 'host', 'evil.example'] }),
      /Host/,
    ],
    ['to a proxy', request({}, { url: 'http://evil.example/api/v1/jobs' }), /its target names a host/],
    ['from a page elsewhere', request({ origin: 'http://evil.example' }), /page of another origin/],
    ['from a page at another name of ours', request({ origin: 'http://127.0.0.1:3000' }), /another origin/],
    ['from a page at another port', request({ origin: 'http://localhost:8000' }), /another origin/],
    ['from a page over TLS', request({ origin: 'https://localhost:3000' }), /another origin/],
    ['from a sandboxed page', request({ origin: 'null' }), /another origin/],
    ['from another site', request({ 'sec-fetch-site': 'cross-site' }), /page of another site/],
    ['from a neighbour of the site', request({ 'sec-fetch-site': 'same-site' }), /page of another site/],
    [
      'that a proxy passed on',
      request({ forwarded: 'for=192.0.2.7' }),
      /proxy \(it has the header forwarded\)/,
    ],
    ['that nginx passed on', request({ 'x-forwarded-for': '192.0.2.7' }), /x-forwarded-for/],
    ['with any such header', request({ 'x-forwarded-anything': '' }), /x-forwarded-anything/],
    ['that came via another', request({ via: '1.1 proxy' }), /via/],
  ])('%s needs one', (_, one, why) => {
    expect(whyKeyIsNeeded(one)).toMatch(why);
  });
});

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, remote: string, state: string, uid: number, inode: number) =>
  `   7: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;
const ends = { localAddress: '127.0.0.1', localPort: 0xc001, remoteAddress: '127.0.0.1', remotePort: 3000 };

describe("the kernel's table of sockets", () => {
  test('says whose a connection is, whatever form its address has', () => {
    const four =
      HEAD +
      row('0100007F:0BB8', '0100007F:C001', '01', 0, 11) +
      row('0100007F:C001', '0100007F:0BB8', '01', 1000, 12);
    expect(ownerIn(four, ends)).toBe(1000);
    expect(
      ownerIn(four, { ...ends, remoteAddress: '::ffff:127.0.0.1', localAddress: '::ffff:127.0.0.1' }),
    ).toBe(1000);
    const mapped = '0000000000000000FFFF00000100007F';
    expect(ownerIn(HEAD + row(`${mapped}:C001`, `${mapped}:0BB8`, '01', 1001, 12), ends)).toBe(1001);
    const six = { ...ends, localAddress: '::1', remoteAddress: '::1' };
    const loopback = '00000000000000000000000001000000';
    expect(ownerIn(HEAD + row(`${loopback}:C001`, `${loopback}:0BB8`, '01', 1002, 12), six)).toBe(1002);
  });

  test('says nothing of a connection that its program has let go of, although it lists it as root', () => {
    expect(ownerIn(HEAD + row('0100007F:C001', '0100007F:0BB8', '05', 0, 0), ends)).toBe(null);
    expect(ownerIn(HEAD + row('0100007F:C001', '0100007F:0BB8', '06', 0, 0), ends)).toBe(null);
    expect(ownerIn(HEAD, ends)).toBe(null);
    expect(ownerIn('', ends)).toBe(null);
  });

  test('is read once for all who wait, never from before they came, and once per connection', async () => {
    let reads = 0;
    let finish: (table: string) => void = () => {};
    const owners = new SocketOwners(() => {
      reads++;
      return new Promise((resolve) => {
        finish = (table) => resolve([table]);
      });
    });
    const socket = (port: number) =>
      ({ localAddress: '127.0.0.1', localPort: 3000, remoteAddress: '127.0.0.1', remotePort: port }) as never;
    const [a, b, c] = [socket(0xc001), socket(0xc002), socket(0xc003)];
    const turn = () => new Promise(setImmediate);
    const first = owners.ownerOf(a);
    await turn();
    const others = [owners.ownerOf(b), owners.ownerOf(c), owners.ownerOf(b)];
    await turn();
    expect(reads).toBe(1);
    finish(row('0100007F:C001', '0100007F:0BB8', '01', 5, 1));
    expect(await first).toBe(5);
    await turn();
    expect(reads).toBe(2);
    finish(row('0100007F:C002', '0100007F:0BB8', '01', 6, 1));
    expect(await Promise.all(others)).toEqual([6, null, 6]);
    expect(await owners.ownerOf(a)).toBe(5);
    expect(reads).toBe(2);
  });
});

describe('a rate', () => {
  test('lets a caller ask so often, and tells when it may again; others are not concerned', () => {
    const rate = new Rate(2);
    expect([0, 0, 0, 0].map(() => rate.secondsUntilFree('a', 0))).toEqual([0, 0, 0, 0]);
    expect(rate.secondsUntilFree('a', 0)).toBe(1);
    expect(rate.secondsUntilFree('b', 0)).toBe(0);
    expect(rate.secondsUntilFree('a', 500)).toBe(0);
    expect(rate.secondsUntilFree('a', 500)).toBe(1);
    expect(rate.secondsUntilFree('a', 60_000)).toBe(0);
  });
});
