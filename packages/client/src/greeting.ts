/**
 * Dialling a Queen and the handshake with her, and finding the first of several that answers. What comes out is an open
 * session; until then nothing but Hello is said.
 */
import {
  agreeOnVersion,
  helloOf,
  type Message,
  type PeerId,
  ProtocolError,
  Session,
  UsageError,
} from '@hive/shared';
import { type Access, Connection, clientRole, openLine } from '@hive/shared/node';
import { type Candidate, type Failed, isAboutKeys, noQueen, reasonOf } from './addresses.ts';
import { Deferred } from './deferred.ts';

export interface OpenSession {
  readonly connection: Connection;
  readonly welcome: Message<'Welcome'>;
}
/** What becomes of a session that was opened. It says which one, because several may have been dialled at once. */
export interface SessionHandlers {
  message(connection: Connection, message: Message): void;
  closed(connection: Connection): void;
  drained(): void;
}
export interface WhoWeAre {
  readonly peer: PeerId;
  readonly name: string;
  /** The key, as it is now. @throws UsageError when there is none */
  readonly access: () => Access;
  /** Of a task that submits work: lets it in with its Drone's key. */
  readonly task?: NonNullable<Message<'Hello'>['task']>;
}

/** @throws Error when nobody answers there, something that is no Queen does, or the Queen refuses us */
export async function greet(
  candidate: Candidate,
  who: WhoWeAre,
  handlers: SessionHandlers,
  timeoutMillis: number,
  signal: AbortSignal,
): Promise<OpenSession> {
  const deadline = performance.now() + timeoutMillis;
  const { socket, access, verify } = await openLine(candidate.address, who.access, timeoutMillis, signal);
  const answer = new Deferred<OpenSession>();
  const session = new Session('queen', verify);
  const connection: Connection = new Connection(socket, session, {
    message: (message) => {
      if (session.state === 'open') {
        handlers.message(connection, message);
        return;
      }
      try {
        const welcome = welcomed(message);
        session.open();
        answer.resolve({ connection, welcome });
      } catch (error) {
        connection.destroy(error as Error);
      }
    },
    closed: (error) => {
      answer.reject(notAQueen(error, access));
      handlers.closed(connection);
    },
    drained: () => handlers.drained(),
  });
  const giveUp = () => connection.destroy(new Error(`no answer within ${timeoutMillis} ms`));
  const timer = setTimeout(giveUp, Math.max(0, deadline - performance.now()));
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  const { peer, name, task } = who;
  const role = task === undefined ? clientRole(access) : 'client';
  connection.send(helloOf({ role, peer, name, ...(task === undefined ? {} : { task }) }));
  try {
    return await answer.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

function welcomed(message: Message): Message<'Welcome'> {
  if (message.type === 'Reject') throw new Error(`the Queen refused: ${message.message}`);
  if (message.type !== 'Welcome') throw new ProtocolError(`${message.type} instead of Welcome`);
  agreeOnVersion({ protocolMin: message.protocol, protocolMax: message.protocol });
  return message;
}

function notAQueen(error: Error | null, { kind }: Access): Error {
  if (error instanceof ProtocolError)
    return new Error(`something else than a Queen answers there: ${error.message}`);
  if (error !== null) return error;
  const text = 'the connection was closed before the handshake';
  if (kind !== 'insecure') return new Error(text);
  return new UsageError(
    `${text}; a Queen that wants a key does that: leave out --insecure (or HIVE_INSECURE)`,
    'noKey',
  );
}

/** A candidate that has not answered for so long gets company. */
const HEAD_START_MILLIS = 400;

/**
 * The first of the candidates, in their order, that answers: the next one is tried when the one before has failed or is
 * slow. Gives up as soon as all have failed.
 * @throws UsageError 'noQueen', or 'badKey' if it is for want of a key, with a reason for each, within `timeoutMillis`
 */
export async function findQueen(
  list: readonly Candidate[],
  who: WhoWeAre,
  handlers: SessionHandlers,
  timeoutMillis: number,
  signal: AbortSignal,
): Promise<OpenSession> {
  const race = new AbortController();
  const stop = AbortSignal.any([race.signal, signal]);
  const deadline = performance.now() + timeoutMillis;
  const failed: Failed[] = [];
  let before: Promise<unknown> = Promise.reject();
  const attempts = list.map((candidate) => {
    const attempt = headStart(before).then(async () => {
      const rest = Math.max(1, Math.round(deadline - performance.now()));
      return greet(candidate, who, handlers, rest, stop).catch((error) => {
        failed.push({ candidate, reason: reasonOf(error), isAboutKeys: isAboutKeys(error) });
        throw error;
      });
    });
    before = attempt;
    return attempt;
  });
  try {
    const winner = await Promise.any(attempts);
    for (const attempt of attempts)
      attempt.then(
        (other) => other === winner || other.connection.destroy(),
        () => {},
      );
    return winner;
  } catch {
    throw noQueen(failed);
  } finally {
    race.abort();
  }
}

/** Resolves when the attempt before has failed or has had its head start. */
function headStart(before: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, HEAD_START_MILLIS);
    const go = () => {
      clearTimeout(timer);
      resolve();
    };
    // One that has succeeded needs no company; the race is over, and dialling will be given up at once.
    before.then(go, go);
  });
}
