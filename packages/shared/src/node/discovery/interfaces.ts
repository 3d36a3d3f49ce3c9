/**
 * The ways by which a datagram can leave this machine, or stay on it: one for each IPv4 address of an interface that is up,
 * read anew each time, because interfaces come and go.
 */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { LOOPBACK } from '../address.ts';

export interface WayOut {
  /** Of the interface, for people. */
  readonly name: string;
  /** Its own address. */
  readonly address: string;
  /** Where everybody on it is reached; null when it has no broadcast address (a point-to-point one). */
  readonly broadcast: string | null;
  readonly isLoopback: boolean;
}

/** How far datagrams go: everywhere, this machine only, or the network of one address of this machine. */
export type Reach = 'everywhere' | 'loopback' | { readonly address: string };
type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

export function waysOut(reach: Reach, interfaces: Interfaces = networkInterfaces()): WayOut[] {
  const ways: WayOut[] = [];
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    for (const { family, address, netmask, internal } of addresses) {
      if (family !== 'IPv4') continue;
      ways.push({ name, address, broadcast: broadcastOf(address, netmask), isLoopback: internal });
    }
  }
  if (reach === 'everywhere') return ways;
  if (reach === 'loopback') return ways.filter(({ isLoopback }) => isLoopback);
  return ways.filter(({ address }) => address === reach.address);
}

/** How far a Queen who listens on `host` tells of herself: nobody else could dial her. */
export function reachOf(host: string): Reach {
  if (host === '0.0.0.0' || host === '::' || host === '') return 'everywhere';
  return host === 'localhost' || host === LOOPBACK ? 'loopback' : { address: host };
}

/** Null for networks without one: of one or two addresses. */
function broadcastOf(address: string, netmask: string): string | null {
  const mask = numberOf(netmask);
  if (mask >= 0xffff_fffe) return null;
  const all = (numberOf(address) | ~mask) >>> 0;
  return [24, 16, 8, 0].map((shift) => (all >>> shift) & 0xff).join('.');
}
const numberOf = (dotted: string): number =>
  dotted.split('.').reduce((sum, part) => ((sum << 8) | Number(part)) >>> 0, 0);
