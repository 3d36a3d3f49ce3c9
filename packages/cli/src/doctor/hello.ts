/**
 * The first words of a session, on a connection that is secured already: Hello, and what a Queen answers. The doctor says
 * them itself, because it wants to know how far they come.
 */
import { helloOf, type Message, ProtocolError, Session } from '@hive/shared';
import { Connection, type Line, randomPeerId } from '@hive/shared/node';

/** Told no, in a Queen's words, or in those of whoever passes for one. */
export class Rejected extends Error {
  readonly code: string;
  constructor({ code, message }: Message<'Reject'>) {
    super(message);
    this.code = code;
  }
}

export type SessionRole = 'drone' | 'client' | 'observer';

/**
 * Resolves with a Welcome that a Queen signed, and takes leave again.
 * @throws Rejected, ProtocolError when it is no Queen, Error when nothing is said within `timeoutMillis`
 */
export function sayHello(line: Line, role: SessionRole, timeoutMillis: number): Promise<Message<'Welcome'>> {
  return new Promise((resolve, reject) => {
    const session = new Session('queen', line.verify);
    const giveUp = () => connection.destroy(new Error(`nothing was said within ${timeoutMillis} ms`));
    const timer = setTimeout(giveUp, timeoutMillis);
    const connection: Connection = new Connection(line.socket, session, {
      message: (message) => {
        if (session.state !== 'greeting') return;
        if (message.type === 'Welcome') {
          session.open();
          resolve(message);
          takeLeave(connection, role);
        } else if (message.type === 'Reject') connection.destroy(new Rejected(message));
        else connection.destroy(new ProtocolError(`${message.type} in answer to Hello`));
      },
      closed: (error) => {
        clearTimeout(timer);
        reject(error ?? new Error('the connection was closed in answer to Hello'));
      },
    });
    connection.send(greetingOf(role));
  });
}

/** A Drone that can do nothing is given nothing in the moment for which it is there. */
function greetingOf(role: SessionRole): Message<'Hello'> {
  const nothing = role === 'drone' ? { slots: 1, kinds: [], labels: {} } : {};
  return helloOf({ role, peer: randomPeerId(), name: 'hive doctor', ...nothing });
}

function takeLeave(connection: Connection, role: SessionRole): void {
  if (role === 'drone') connection.send({ type: 'Holdings', leases: [] });
  connection.end({ type: 'Goodbye', message: 'hive doctor has seen enough' });
}
