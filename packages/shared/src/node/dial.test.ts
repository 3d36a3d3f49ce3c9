import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { dial } from './dial.ts';

const open: (Server | Socket)[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) {
    if ('listening' in one) await new Promise((resolve) => one.close(resolve));
    else one.destroy();
  }
});

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    open.unshift(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return { server, port: (server.address() as AddressInfo).port };
}

test('who answers is connected, without delay and without listeners left over', async () => {
  const { port } = await listen();
  const socket = await dial({ host: '127.0.0.1', port }, 5_000);
  open.unshift(socket);
  expect(socket.readyState).toBe('open');
  expect(socket.listenerCount('error')).toBe(0);
});

test('nobody there: refused at once', async () => {
  const { server, port } = await listen();
  await new Promise((resolve) => server.close(resolve));
  open.splice(open.indexOf(server), 1);
  await expect(dial({ host: '127.0.0.1', port }, 5_000)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a name that does not exist', async () => {
  await expect(dial({ host: 'no-such-host.invalid', port: 1 }, 5_000)).rejects.toMatchObject({
    syscall: 'getaddrinfo',
  });
});

test('no answer within the time limit', async () => {
  // 192.0.2.0/24 is kept for documentation: nobody answers, or some router says so at once.
  // The system itself would try for longer than a test may take.
  await expect(dial({ host: '192.0.2.1', port: 9 }, 50)).rejects.toMatchObject({
    code: expect.stringMatching(/^E(TIMEDOUT|NETUNREACH|HOSTUNREACH|CONNREFUSED|ACCES|PERM)$/),
  });
});

test('given up before and during', async () => {
  const { port } = await listen();
  await expect(dial({ host: '127.0.0.1', port }, 5_000, AbortSignal.abort())).rejects.toThrow('given up');
  const controller = new AbortController();
  const dialling = dial({ host: '127.0.0.1', port }, 5_000, controller.signal);
  controller.abort();
  await expect(dialling).rejects.toThrow('given up');
});

test('giving up after the answer changes nothing', async () => {
  const { port } = await listen();
  const controller = new AbortController();
  const socket = await dial({ host: '127.0.0.1', port }, 5_000, controller.signal);
  open.unshift(socket);
  controller.abort();
  expect(socket.destroyed).toBe(false);
});
