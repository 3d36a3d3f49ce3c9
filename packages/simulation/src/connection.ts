/**
 * A session on a simulated socket, as `Connection` of @hive/shared/node is one on a real socket: the real Session and the
 * real codec, and the same bounds on what may wait to be sent.
 */
import { encode, encodeParts, LIMITS, type Message, ProtocolError, type Session } from '@hive/shared';
import type { WireEnd } from './network.ts';

export interface ConnectionHandlers {
  message(message: Message): void;
  /** Bytes came that complete no message. */
  heard?(): void;
  closed(error: Error | null): void;
  drained?(): void;
  /** Bytes that may wait to be sent; the hard bound if absent. */
  readonly bufferedBytesMax?: number;
}

export class Connection {
  readonly session: Session;
  readonly end: WireEnd;
  readonly #handlers: ConnectionHandlers;
  bytesIn = 0;
  #error: Error | null = null;

  constructor(end: WireEnd, session: Session, handlers: ConnectionHandlers) {
    this.end = end;
    this.session = session;
    this.#handlers = handlers;
    end.handlers = {
      data: (chunk) => this.#receive(chunk),
      closed: (isClean) => {
        if (!isClean) this.#error ??= new Error('the connection was cut');
        session.close();
        handlers.closed(this.#error);
      },
      drained: () => handlers.drained?.(),
    };
  }

  get isClosed(): boolean {
    return this.end.isClosed;
  }
  get bufferedBytes(): number {
    return this.end.bufferedBytes;
  }

  send(message: Message): void {
    if (this.isClosed || this.session.state === 'closed') return;
    const parts: Uint8Array[] = [];
    encodeParts(message, parts);
    for (const part of parts) this.end.write(part);
    if (this.bufferedBytes > (this.#handlers.bufferedBytesMax ?? LIMITS.sendBufferHard)) {
      this.destroy(new ProtocolError('the peer does not read what it is sent', 'slowReader'));
    }
  }

  /** Says a last word and closes. */
  farewell(last: Message): void {
    this.send(last);
    this.session.close();
    this.end.end();
  }
  destroy(error: Error | null): void {
    this.#error ??= error;
    this.session.close();
    this.end.destroy();
  }

  #receive(chunk: Uint8Array): void {
    this.bytesIn += chunk.length;
    try {
      let messages = 0;
      for (const message of this.session.receive(chunk)) {
        messages++;
        this.#handlers.message(message);
      }
      if (messages === 0) this.#handlers.heard?.();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#error ??= error;
      this.session.close();
      this.end.write(encode({ type: 'Goodbye', code: error.code, message: error.message }));
      this.end.end();
    }
  }
}
