/**
 * One end of a session, without a socket: bytes in, messages out, and the rule of who may say what when.
 *
 * States: `greeting` (entered at birth; only Hello, Welcome, Reject and Goodbye pass, frames are small), `open` (entered by
 * `open()` when the handshake is done), `closed` (entered by `close()` or by any ProtocolError; nothing passes).
 * It must never let a message out of turn through, whoever dialled, whatever the bytes, nor a Welcome that no Queen signed.
 */
import { decode } from './codec.ts';
import { InvariantError, ProtocolError } from './errors.ts';
import { FrameDecoder } from './frame.ts';
import { LIMITS } from './limits.ts';
import { MESSAGES, type Message, PROTOCOL_VERSION, type Role } from './messages.ts';

/** What a Queen says in Welcome if her clients may submit a job with all of its inputs, sealed, in one message. */
export const WHOLE_JOBS = 'wholeJobs';

/** A row of the table in `MESSAGES`: nodes and observers speak as clients do. */
export type Sender = 'drone' | 'client' | 'queen';
export const senderOf = (role: Role): Sender => (role === 'drone' ? 'drone' : 'client');

/** Whether a Welcome was said by a Queen, as the connection under the session can tell. */
export type VerifyWelcome = (welcome: Message<'Welcome'>) => boolean;

export class Session {
  #state: 'greeting' | 'open' | 'closed' = 'greeting';
  /** Who is at the other end; null at a Queen's end until Hello says it. */
  #from: Sender | null;
  /** The other end has said its Hello, Welcome or Reject; it says one, however long the answer takes. */
  #hasGreeted = false;
  readonly #decoder = new FrameDecoder(LIMITS.handshakeBytesMax);

  readonly #verify: VerifyWelcome;

  /**
   * @param from who is at the other end: 'queen', or null for a Queen that awaits Hello
   * @param verify a Welcome that it refuses breaks the protocol; without it, any will do, as in insecure sessions
   */
  constructor(from: 'queen' | null, verify: VerifyWelcome = () => true) {
    this.#from = from;
    this.#verify = verify;
  }

  get state(): 'greeting' | 'open' | 'closed' {
    return this.#state;
  }

  /** The handshake is done: Welcome was sent or accepted. `role` is the other end's, as its Hello said. */
  open(role?: Role): void {
    if (this.#state !== 'greeting') throw new InvariantError(`a session was opened while ${this.#state}`);
    if (this.#from === null) {
      if (role === undefined) throw new InvariantError('a session was opened without a role');
      this.#from = senderOf(role);
    }
    this.#state = 'open';
    this.#decoder.limit(LIMITS.frameBytesMax);
  }

  close(): void {
    this.#state = 'closed';
  }

  /** Whether an error may be answered with a Goodbye: to whoever may be no Queen at all, a peer says nothing but Hello. */
  get mayReply(): boolean {
    return this.#state !== 'greeting' || this.#from === null;
  }

  /** The other end closed its stream: says whether it did so in the middle of a frame. */
  get endedCleanly(): boolean {
    return this.#decoder.isBetweenFrames;
  }

  /**
   * Yields the messages that these bytes complete. Lazy, so `open()` takes effect between two messages of one chunk.
   * @throws ProtocolError and closes the session when the peer breaks the protocol
   */
  *receive(chunk: Uint8Array): Generator<Message, void, undefined> {
    if (this.#state === 'closed') return;
    try {
      for (const body of this.#decoder.push(chunk)) {
        const message = decode(body);
        this.#admit(message);
        yield message;
        if ((this.#state as string) === 'closed') return;
      }
    } catch (error) {
      if (error instanceof ProtocolError) this.close();
      throw error;
    }
  }

  #admit(message: Message): void {
    const rule = MESSAGES[message.type];
    if (rule.state !== 'any' && rule.state !== this.#state) {
      throw new ProtocolError(`${message.type} is out of turn: the session is ${this.#state}`);
    }
    if (rule.state === 'greeting') {
      if (this.#hasGreeted)
        throw new ProtocolError(`${message.type} is out of turn: the handshake is not done`);
      this.#hasGreeted = true;
    }
    const from = this.#from;
    const mayBeSent =
      from === null ? !rule.from.every((sender) => sender === 'queen') : rule.from.includes(from);
    if (!mayBeSent) throw new ProtocolError(`a ${from ?? 'peer'} may not send ${message.type}`);
    if (message.type === 'Welcome' && !this.#verify(message)) {
      throw new ProtocolError('the Welcome is not signed by a Queen of this Hive');
    }
  }
}

/** The first word of a session, with the versions that this end speaks. */
export function helloOf({
  role,
  peer,
  name,
  ...more
}: Pick<Message<'Hello'>, 'role' | 'peer' | 'name'> & Partial<Message<'Hello'>>): Message<'Hello'> {
  const { min, max } = PROTOCOL_VERSION;
  return {
    type: 'Hello',
    magic: 'hive',
    protocolMin: min,
    protocolMax: max,
    role,
    peer,
    name,
    capabilities: [],
    ...more,
  };
}

/**
 * The version that two ends speak: the highest that both know.
 * @throws ProtocolError with a sentence that says which end is older
 */
export function agreeOnVersion(
  hello: { protocolMin: number; protocolMax: number },
  { min, max }: { min: number; max: number } = PROTOCOL_VERSION,
): number {
  const agreed = Math.min(hello.protocolMax, max);
  if (agreed < hello.protocolMin || agreed < min) {
    const older = hello.protocolMin > max ? 'this Queen is older' : 'the peer is older';
    throw new ProtocolError(
      `no common protocol version: the peer speaks ${hello.protocolMin} to ${hello.protocolMax}, this Queen ${min} to ${max}; ${older}, update it`,
      'badVersion',
    );
  }
  return agreed;
}
