import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress, writeQueenAddress } from '@hive/shared/node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { candidates } from './addresses.ts';
import { connect } from './connect.ts';
import { FakeQueen } from './testing/fake-queen.ts';
import { rejection } from './testing/with-fake.ts';

let folder = '';
const env = process.env['HIVE_QUEEN'];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-client-test-'));
  delete process.env['HIVE_QUEEN'];
  process.env['HIVE_INSECURE'] = '1';
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  delete process.env['HIVE_INSECURE'];
  if (env === undefined) delete process.env['HIVE_QUEEN'];
  else process.env['HIVE_QUEEN'] = env;
});

const sockets: Socket[] = [];
async function listen(
  accept: (socket: Socket) => void,
): Promise<{ server: Server; port: number; address: string }> {
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { server, port, address: `127.0.0.1:${port}` };
}
function close(server: Server): Promise<void> {
  for (const socket of sockets) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}

describe('a Queen is looked for', () => {
  const shown = (where: Parameters<typeof candidates>[0]) =>
    candidates(where).map(({ address: { host, port } }) => `${host}:${port}`);

  test('at the addresses that were named, and nowhere else', () => {
    process.env['HIVE_QUEEN'] = 'other:1';
    expect(shown({ queen: 'a:1, b', data: folder })).toEqual(['a:1', 'b:8080']);
    expect(shown({ queen: ['a:1', '[::1]:2'], data: folder })).toEqual(['a:1', '::1:2']);
  });
  test('else where HIVE_QUEEN says', () => {
    process.env['HIVE_QUEEN'] = 'other:1';
    expect(shown({ data: folder })).toEqual(['other:1']);
  });
  test('else where one has left her address, else on the default port', () => {
    expect(shown({ data: folder })).toEqual(['127.0.0.1:8080']);
    writeQueenAddress(folder, parseAddress('127.0.0.1:5000'));
    expect(shown({ data: folder })).toEqual(['127.0.0.1:5000', '127.0.0.1:8080']);
    writeQueenAddress(folder, parseAddress('127.0.0.1:8080'));
    expect(shown({ data: folder })).toEqual(['127.0.0.1:8080']);
  });
});

describe('when no Queen answers', () => {
  test('the error names every address, why, and what to start', async () => {
    // Nothing listens there.
    const [one, two] = [1, 2];
    // Who is refused does not wait for a timeout: this one is longer than a test may take.
    const error = await rejection(
      connect({ queen: [`127.0.0.1:${one}`, `127.0.0.1:${two}`], timeoutMillis: 600_000 }),
    );
    expect(error).toMatchObject({ name: 'UsageError', code: 'noQueen' });
    expect(error.message).toContain(`127.0.0.1:${one} (the option "queen"): nothing listens there`);
    expect(error.message).toContain(`127.0.0.1:${two} (the option "queen"): nothing listens there`);
    expect(error.message).toContain('npx -y pnpm@12 queen');
    expect(error.message).toContain('HIVE_QUEEN');
  });

  test('because who listens says nothing, it takes no longer than the timeout', async () => {
    const { server, address } = await listen(() => {});
    const error = await rejection(connect({ queen: address, timeoutMillis: 200 }));
    await close(server);
    expect(error.message).toMatch(/no answer within (?:\d\d?|1\d\d|200) ms/);
  });

  test('because something else listens, it says so', async () => {
    const { server, address } = await listen((socket) => {
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const error = await rejection(connect({ queen: address }));
    expect(error.message).toContain('something else than a Queen answers there');
    await close(server);
  });

  test('because she refuses, it says what she said', async () => {
    const queen = await new FakeQueen().listen();
    queen.intercept = (message, connection) => {
      if (message.type === 'Hello')
        connection.end({ type: 'Reject', code: 'badVersion', message: 'too old' });
      return true;
    };
    expect((await rejection(connect({ queen: queen.address }))).message).toContain(
      'the Queen refused: too old',
    );
    await queen.close();
  });

  test('an address that is none is refused at once', async () => {
    expect((await rejection(connect({ queen: 'not an address' }))).message).toContain('is not an address');
  });
});

describe('with several addresses', () => {
  test('the first that answers is taken, although one before is silent', async () => {
    const silent = await listen(() => {});
    const queen = await new FakeQueen().listen();
    const hive = await connect({ queen: [silent.address, queen.address] });
    expect(await hive.status()).toEqual({ name: 'fake' });
    await hive.close();
    await queen.close();
    await close(silent.server);
  });
});

test('a client disposes of itself', async () => {
  const queen = await new FakeQueen().listen();
  {
    await using hive = await connect({ queen: queen.address });
    expect(hive.isConnected).toBe(true);
    expect(hive.queenName).toBe('fake');
  }
  await queen.until(() => queen.clients.size === 0);
  expect(queen.heard.at(-1)).toMatchObject({ type: 'Goodbye' });
  await queen.close();
});
