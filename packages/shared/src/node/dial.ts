/** Dialling: a TCP connection within a time limit. */
import { connect, type Socket } from 'node:net';
import type { Address } from './address.ts';

/** @throws Error (ECONNREFUSED, ETIMEDOUT, …) when nobody answers within `timeoutMillis` */
export function dial(address: Address, timeoutMillis: number, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    const give = (error: Error) => {
      socket.destroy();
      settle();
      reject(error);
    };
    const timer = setTimeout(
      () => give(Object.assign(new Error(`no answer within ${timeoutMillis} ms`), { code: 'ETIMEDOUT' })),
      timeoutMillis,
    );
    const aborted = () => give(new Error('dialling was given up'));
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      socket.off('error', give);
    };
    if (signal?.aborted) return aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    socket.once('error', give);
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
  });
}
