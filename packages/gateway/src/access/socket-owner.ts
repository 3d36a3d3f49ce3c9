/**
 * Which account a connection of this machine belongs to, as Linux's table of sockets says. It is asked once per connection
 * and never blocks: the table is read by the thread pool, once for all who wait at that moment.
 *
 * The entry must have an inode: one that a program has let go of (it sent its request and left) is listed as root's.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';

/** One end of a connection, as the table writes it, and the other end. */
export interface Ends {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];

/** Texts of the table of sockets, as they are now. */
export type ReadTables = () => Promise<readonly string[]>;
const readTables: ReadTables = () =>
  Promise.all(TABLES.map((path) => readFile(path, 'latin1').catch(() => '')));

export class SocketOwners {
  readonly #read: ReadTables;
  readonly #known = new WeakMap<Socket, Promise<number | null>>();
  #next: Promise<readonly string[]> | null = null;
  #current: Promise<unknown> = Promise.resolve();

  constructor(read: ReadTables = readTables) {
    this.#read = read;
  }

  /** Number of the account at the socket's other end; null when the table does not say. */
  ownerOf(socket: Socket): Promise<number | null> {
    let owner = this.#known.get(socket);
    if (owner === undefined) {
      owner = this.#find(socket);
      this.#known.set(socket, owner);
    }
    return owner;
  }

  async #find({ localAddress, localPort, remoteAddress, remotePort }: Socket): Promise<number | null> {
    if (!localAddress || !localPort || !remoteAddress || !remotePort) return null;
    const ends = {
      localAddress: remoteAddress,
      localPort: remotePort,
      remoteAddress: localAddress,
      remotePort: localPort,
    };
    for (const table of await this.#fresh()) {
      const owner = ownerIn(table, ends);
      if (owner !== null) return owner;
    }
    return null;
  }

  /** A reading that begins from now on: one under way may not know the connection yet. */
  #fresh(): Promise<readonly string[]> {
    this.#next ??= this.#current.then(() => {
      this.#next = null;
      const reading = this.#read();
      this.#current = reading.catch(() => {});
      return reading;
    });
    return this.#next;
  }
}

/** Whose the socket with these ends is, in a text like that of /proc/net/tcp or tcp6; null when it is nobody's. */
export function ownerIn(
  table: string,
  { localAddress, localPort, remoteAddress, remotePort }: Ends,
): number | null {
  for (const local of namesOf(localAddress, localPort)) {
    for (const remote of namesOf(remoteAddress, remotePort)) {
      const at = table.indexOf(`: ${local} ${remote} `);
      if (at < 0) continue;
      const end = table.indexOf('\n', at);
      const fields = table
        .slice(at + 2, end < 0 ? undefined : end)
        .trim()
        .split(/\s+/);
      // local, remote, state, queues, timer, retransmits, uid, timeout, inode
      const [, , , , , , uid, , inode] = fields;
      if (inode !== undefined && inode !== '0') return Number(uid);
    }
  }
  return null;
}

/** The forms in which an address may stand in either table: a program may use IPv4 by a socket of IPv6. */
function namesOf(address: string, port: number): readonly string[] {
  const tail = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const v4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  if (v4 !== null) {
    const word = wordOf(v4.slice(1).map(Number));
    return [`${word}${tail}`, `${wordOf([0, 0, 0, 0]).repeat(2)}${wordOf([0, 0, 0xff, 0xff])}${word}${tail}`];
  }
  if (address !== '::1') return [];
  return [`${wordOf([0, 0, 0, 0]).repeat(3)}${wordOf([0, 0, 0, 1])}${tail}`];
}

/** Four bytes as the kernel prints them: as one number of this machine's byte order. */
function wordOf(bytes: readonly number[]): string {
  const inOrder = endianness() === 'LE' ? [...bytes].reverse() : bytes;
  return inOrder.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}
