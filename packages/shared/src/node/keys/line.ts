/**
 * The way from an address to a socket on which a session may begin: dialled, secured with a key, and able to tell whether
 * the Welcome that comes was said by a Queen.
 */
import type { Socket } from 'node:net';
import { LIMITS } from '../../limits.ts';
import type { VerifyWelcome } from '../../session.ts';
import type { Address } from '../address.ts';
import { dial } from '../dial.ts';
import { type Access, allowInsecure } from './access.ts';
import { welcomeBytes } from './identity.ts';
import { exportKeys, secureAsPeer } from './tls.ts';

export interface Line {
  readonly socket: Socket;
  /** How it was secured. */
  readonly access: Access;
  readonly verify: VerifyWelcome;
}

/** The purpose of a Welcome's signature, and of the exporter that it covers. */
export const WELCOME_PURPOSE = 'welcome';

/**
 * Dials and secures. @throws UsageError or Error when nobody answers within `timeoutMillis`, there is no key, or it is refused
 */
export async function openLine(
  address: Address,
  accessNow: () => Access,
  timeoutMillis: number,
  signal?: AbortSignal,
): Promise<Line> {
  const access = await accessFor(address, accessNow, timeoutMillis, signal);
  if (access.kind === 'insecure') allowInsecure(address.host, access.isForced);
  const deadline = performance.now() + timeoutMillis;
  const socket = await dial(address, Math.min(timeoutMillis, LIMITS.dialMillis), signal);
  if (access.kind === 'insecure') return { socket, access, verify: () => true };
  return within(socket, Math.max(1, deadline - performance.now()), signal, () => secureLine(socket, access));
}

/** That there is no key is the lesser news when nobody listens either. */
async function accessFor(
  address: Address,
  accessNow: () => Access,
  timeoutMillis: number,
  signal: AbortSignal | undefined,
): Promise<Access> {
  try {
    return accessNow();
  } catch (error) {
    (await dial(address, Math.min(timeoutMillis, LIMITS.dialMillis), signal)).destroy();
    throw error;
  }
}

/** Secures a socket that is connected already, whoever dialled. */
export async function secureLine(raw: Socket, access: Access): Promise<Line> {
  if (access.kind === 'insecure') return { socket: raw, access, verify: () => true };
  const { key } = access;
  const socket = await secureAsPeer(raw, key);
  const exporter = exportKeys(socket, WELCOME_PURPOSE);
  return {
    socket,
    access,
    verify: ({ queen, session, signature }) =>
      signature !== undefined &&
      key.verify(WELCOME_PURPOSE, welcomeBytes(exporter, queen, session), signature),
  };
}

async function within<T>(
  socket: Socket,
  timeoutMillis: number,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  let why: Error | null = null;
  const giveUp = (error: Error) => {
    why = error;
    socket.destroy();
  };
  const aborted = () => giveUp(new Error('dialling was given up'));
  const late = () =>
    giveUp(
      Object.assign(new Error(`no answer within ${Math.round(timeoutMillis)} ms`), { code: 'ETIMEDOUT' }),
    );
  const timer = setTimeout(late, timeoutMillis);
  signal?.addEventListener('abort', aborted, { once: true });
  if (signal?.aborted) aborted();
  try {
    return await work();
  } catch (error) {
    throw why ?? error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', aborted);
  }
}
