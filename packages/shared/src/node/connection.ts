/**
 * A session on a real socket: bytes to messages, messages to one write per turn of the event loop, and a bound on what
 * may wait in the send buffer. It knows nothing of what the messages mean.
 *
 * Everything sent during one turn leaves in one write; `flush` is called by the microtask that the first `send` queues.
 */
import type { Socket } from 'node:net';
import { encodeParts } from '../codec.ts';
import { ProtocolError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Message } from '../messages.ts';
import type { Session } from '../session.ts';

export interface ConnectionHandlers {
  /** A message that the session let through. */
  message(message: Message): void;
  /** Called once, when the socket is gone. `error` says why, null after a clean end. */
  closed(error: Error | null): void;
  /** What was waiting to be sent has left. */
  drained?(): void;
}

/** Frames up to this many bytes in all are joined to one buffer; larger ones are written part by part. */
const JOIN_BYTES_MAX = 16 * 1024;

const WANTS_KEY =
  'the other end speaks TLS, as a Queen does that wants a key: leave out --insecure, and have a key ("hive key")';

export class Connection {
  readonly socket: Socket;
  readonly session: Session;
  readonly #handlers: ConnectionHandlers;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #isFlushQueued = false;
  #isClosed = false;
  #error: Error | null = null;
  /** Bytes received and sent, for status and benchmarks. */
  bytesIn = 0;
  bytesOut = 0;
  /** When anything was last heard and said, on the clock of `performance.now()`, in milliseconds. */
  heardAt = performance.now();
  saidAt = performance.now();

  constructor(socket: Socket, session: Session, handlers: ConnectionHandlers) {
    this.socket = socket;
    this.session = session;
    this.#handlers = handlers;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      // A Buffer's `slice` is a view, a Uint8Array's is a copy: whoever gets a message's bytes must not have to ask which.
      this.#receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    socket.on('drain', () => handlers.drained?.());
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('end', () => {
      if (!session.endedCleanly && session.state !== 'closed') {
        this.#error ??= new ProtocolError('the connection ended in the middle of a frame');
      }
    });
    socket.on('close', () => {
      this.#isClosed = true;
      session.close();
      handlers.closed(this.#error);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
  /** Bytes that were sent but have not left this process. */
  get bufferedBytes(): number {
    return this.#partBytes + this.socket.writableLength;
  }

  send(message: Message): void {
    if (this.#isClosed || this.session.state === 'closed') return;
    this.#partBytes += encodeParts(message, this.#parts);
    if (this.bufferedBytes > LIMITS.sendBufferHard) {
      this.destroy(new ProtocolError('the peer does not read what it is sent', 'slowReader'));
      return;
    }
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    queueMicrotask(() => this.flush());
  }

  /** Writes what has gathered. */
  flush(): void {
    this.#isFlushQueued = false;
    const parts = this.#parts;
    if (parts.length === 0 || this.#isClosed) return;
    const { socket } = this;
    this.bytesOut += this.#partBytes;
    this.saidAt = performance.now();
    if (parts.length === 1) socket.write(parts[0]!);
    else if (this.#partBytes <= JOIN_BYTES_MAX) socket.write(Buffer.concat(parts, this.#partBytes));
    else {
      socket.cork();
      for (const part of parts) socket.write(part);
      socket.uncork();
    }
    this.#parts = [];
    this.#partBytes = 0;
  }

  /** Says a last word, waits until it has left, and closes. */
  end(last?: Message): void {
    if (this.#isClosed) return;
    if (last !== undefined) this.send(last);
    this.flush();
    this.session.close();
    this.socket.end();
    // A peer that never closes its half must not keep ours open.
    const timer = setTimeout(() => this.socket.destroy(), 1_000);
    timer.unref();
    this.socket.once('close', () => clearTimeout(timer));
  }

  destroy(error?: Error): void {
    this.#error ??= error ?? null;
    this.#parts = [];
    this.#partBytes = 0;
    this.session.close();
    this.socket.destroy();
  }

  /** The first bytes are a TLS record, which no frame of a handshake can begin like. */
  #isTls(chunk: Uint8Array): boolean {
    return this.bytesIn === chunk.length && (chunk[0] === 0x15 || chunk[0] === 0x16) && chunk[1] === 3;
  }

  #receive(chunk: Uint8Array): void {
    this.bytesIn += chunk.length;
    this.heardAt = performance.now();
    const { mayReply } = this.session;
    try {
      for (const message of this.session.receive(chunk)) this.#handlers.message(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#error ??= !mayReply && this.#isTls(chunk) ? new ProtocolError(WANTS_KEY) : error;
      if (!mayReply) {
        this.destroy();
        return;
      }
      // What was said before goes out before the farewell, which itself passes by the session: that is closed, here
      // for those errors that a handler threw because of what a message means.
      this.flush();
      this.session.close();
      const parts: Uint8Array[] = [];
      encodeParts(
        { type: 'Goodbye', code: error.code, message: error.message.slice(0, LIMITS.textMax) },
        parts,
      );
      this.socket.end(Buffer.concat(parts));
      this.socket.resume();
      const timer = setTimeout(() => this.socket.destroy(), 250);
      timer.unref();
      this.socket.once('close', () => clearTimeout(timer));
    }
  }
}
