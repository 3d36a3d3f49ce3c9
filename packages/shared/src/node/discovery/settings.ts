/** How discovery is set up on this machine: which UDP port, with which keys, and how far. */
import type { DatagramSigner, DatagramVerifier } from '../../discovery/datagram.ts';
import { UsageError } from '../../errors.ts';
import type { Access } from '../keys/access.ts';
import type { Generation } from '../keys/derive.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Reach } from './interfaces.ts';
import { openSigner, signerOf, verifierOf } from './keys.ts';

/** UDP port to which Queens announce, and at which they are asked. */
export const DISCOVERY_PORT = 8080;
const PORT_MAX = 65_535;

/** The option, else DISCOVERY_PORT, else 8080; null for 0, which means none. @throws UsageError */
export function discoveryPortOf(option: number | string | undefined): number | null {
  const given = option ?? (process.env['DISCOVERY_PORT'] || DISCOVERY_PORT);
  const port = Number(given);
  if (Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return port === 0 ? null : port;
  throw new UsageError(
    `"${given}" is not a port for discovery. Write a number up to ${PORT_MAX}, or 0 for none.`,
    'badPort',
  );
}

/** What a Queen signs with: one for each generation of keys that is valid. Asked anew each time, because keys rotate. */
export type Signers = () => readonly DatagramSigner[];
/** What a newcomer believes; null while it has no key. */
export type Verifier = () => DatagramVerifier | null;

/** @param keys null for a Queen without any */
export function signersOf(keys: Keyring | null): Signers {
  if (keys === null) return () => [openSigner()];
  const known = new WeakMap<Generation, DatagramSigner>();
  return () => {
    keys.refresh();
    return keys.valid.map((generation) => {
      const signer = known.get(generation) ?? signerOf(generation);
      known.set(generation, signer);
      return signer;
    });
  };
}

/** How a newcomer takes part in discovery. */
export interface Seeking {
  readonly verifier: Verifier;
  readonly port: number;
  readonly reach: Reach;
}

/**
 * Of a newcomer with this key. Without keys it looks on this machine only, unless that was forced.
 * @param port null for no discovery at all
 */
export function seekingOf(accessNow: () => Access, port: number | null): Seeking | null {
  if (port === null) return null;
  return { verifier: () => verifierNow(accessNow), port, reach: reachFor(accessNow) };
}

function verifierNow(accessNow: () => Access): DatagramVerifier | null {
  const access = orNull(accessNow);
  if (access === null) return null;
  return access.kind === 'key' ? verifierOf(access.key) : openSigner();
}

/** Whether there are keys at all does not change while a process runs. */
function reachFor(accessNow: () => Access): Reach {
  const access = orNull(accessNow);
  return access?.kind === 'insecure' && !access.isForced ? 'loopback' : 'everywhere';
}

/** Null when there is no key, or none that can be used; whoever dials says so. */
function orNull(accessNow: () => Access): Access | null {
  try {
    return accessNow();
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}
