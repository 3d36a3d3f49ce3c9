/**
 * A way from one node to another that can be cut: a TCP relay. Cut `silent`, it is a cable that was pulled: connections
 * stand, and not a byte passes until it is mended. Cut `closed`, connections end at once and none can be made.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export type Cut = 'silent' | 'closed';

interface Pair {
  readonly from: Socket;
  /** Null while it waits for the way to be mended. */
  to: Socket | null;
}

export class Relay {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Port on this machine of who is at the other end now; null: nobody. */
  target: number | null = null;
  #cut: Cut | null = null;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (from) => this.#accept(from));
  }

  static async listen(): Promise<Relay> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Relay(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(how: Cut): void {
    this.#cut = how;
    for (const pair of [...this.#pairs]) {
      if (how === 'closed') this.#drop(pair);
      else if (pair.to !== null) stop(pair.from, pair.to);
    }
  }

  mend(): void {
    this.#cut = null;
    for (const pair of [...this.#pairs]) {
      if (pair.to !== null) flow(pair.from, pair.to);
      else this.#drop(pair);
    }
  }

  async close(): Promise<void> {
    for (const pair of [...this.#pairs]) this.#drop(pair);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(from: Socket): void {
    const pair: Pair = { from, to: null };
    this.#pairs.add(pair);
    from.on('error', () => {});
    from.once('close', () => this.#drop(pair));
    if (this.#cut === 'silent') return;
    if (this.#cut === 'closed' || this.target === null) {
      this.#drop(pair);
      return;
    }
    const to = connect(this.target, '127.0.0.1');
    pair.to = to;
    to.on('error', () => {});
    to.once('close', () => this.#drop(pair));
    flow(from, to);
  }

  #drop(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.from.destroy();
    pair.to?.destroy();
  }
}

function flow(a: Socket, b: Socket): void {
  a.pipe(b);
  b.pipe(a);
}
function stop(a: Socket, b: Socket): void {
  a.unpipe(b);
  b.unpipe(a);
  a.pause();
  b.pause();
}
