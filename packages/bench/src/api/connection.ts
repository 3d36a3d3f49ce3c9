/**
 * A connection that asks one thing after another, and costs as little as it can: the load must not be the limit. It knows
 * just enough of HTTP to read answers with a length.
 */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = /\r\ncontent-length: (\d+)/i;

export class Connection {
  readonly #socket: Socket;
  readonly #host: string;
  #read: Buffer = Buffer.alloc(0);
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | null = null;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.setNoDelay();
    socket.on('data', (chunk) => this.#arrived(chunk));
    const fail = () => this.#waiting?.reject(new Error('the gateway closed the connection'));
    socket.on('close', fail);
    socket.on('error', fail);
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Connection(socket, `127.0.0.1:${port}`);
  }

  ask(method: string, path: string, body = ''): Promise<Answer> {
    const length =
      body === '' ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${length}\r\n${body}`);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #arrived(chunk: Buffer): void {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    const end = this.#read.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#read.toString('latin1', 0, end);
    const bytes = end + HEAD_END.length + Number(LENGTH.exec(head)?.[1] ?? 0);
    if (this.#read.length < bytes) return;
    const body = this.#read.subarray(end + HEAD_END.length, bytes);
    this.#read = this.#read.subarray(bytes);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }
}

/** So many requests over so many connections, each one after another; resolves with the milliseconds that each took. */
export async function load(
  port: number,
  connections: number,
  requests: number,
  ask: (connection: Connection, n: number) => Promise<void>,
): Promise<Float64Array> {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const took = new Float64Array(requests);
  let next = 0;
  const work = async (connection: Connection) => {
    for (let n = next++; n < requests; n = next++) {
      const start = performance.now();
      await ask(connection, n);
      took[n] = performance.now() - start;
    }
  };
  try {
    await Promise.all(open.map(work));
  } finally {
    for (const connection of open) connection.close();
  }
  return took;
}
