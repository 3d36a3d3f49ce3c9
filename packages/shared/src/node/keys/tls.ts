/**
 * TLS 1.3 with pre-shared keys over any connected socket. The Queen is always the server, whoever dialled. Nothing else is
 * offered: no certificates, no older version, one cipher suite (pre-shared keys go with its hash, SHA-256), always with an
 * ephemeral key exchange, so that a key that leaks some day does not open what was recorded before.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type SecureContext,
  TLSSocket,
  type TLSSocketOptions,
  type TlsOptions,
} from 'node:tls';
import { UsageError } from '../../errors.ts';
import { type KeyIdentity, LOCAL_KEY_ID, parseIdentity } from '../../key-identity.ts';
import { KEY_BYTES } from './derive.ts';
import type { PeerKey } from './peer-key.ts';

const VERSION = 'TLSv1.3';
const SUITE = {
  minVersion: VERSION,
  maxVersion: VERSION,
  ciphers: 'TLS_AES_128_GCM_SHA256',
  ca: [] as string[],
} as const;
export const EXPORTER_BYTES = 32;

/** Bytes that only the two ends of this TLS session know; different for every purpose (RFC 8446, section 7.5). */
export function exportKeys(socket: TLSSocket, purpose: string): Uint8Array {
  return new Uint8Array(
    socket.exportKeyingMaterial(EXPORTER_BYTES, `EXPORTER-hive-1-${purpose}`, Buffer.alloc(0)),
  );
}

let serverContext: SecureContext | null = null;
let clientContext: SecureContext | null = null;

export interface SecurePeer {
  readonly socket: TLSSocket;
  /** Whose key it was. */
  readonly identity: KeyIdentity;
}

/**
 * The Queen's side. Rejects when the handshake fails; the socket is closed then. A key that is not valid fails exactly as a
 * wrong one does: a stranger learns nothing about which identities exist.
 * @param keyFor the key of an identity; null when it is refused
 */
export function secureAsQueen(
  raw: Socket,
  keyFor: (identity: KeyIdentity) => Uint8Array | null,
): Promise<SecurePeer> {
  serverContext ??= createSecureContext(SUITE);
  let identity: KeyIdentity | null = null;
  const options: TLSSocketOptions & Pick<TlsOptions, 'pskCallback'> = {
    isServer: true,
    secureContext: serverContext,
    pskCallback: (_, text) => {
      const claimed = parseIdentity(text);
      const key = claimed === null ? null : keyFor(claimed);
      identity = key === null ? null : claimed;
      return key ?? randomBytes(KEY_BYTES);
    },
  };
  const socket = new TLSSocket(raw, options);
  return settled(raw, socket, 'secure', () => {
    if (identity === null) throw new Error('no key was used');
    return { socket, identity };
  });
}

/** The side of a Drone or client. Rejects with UsageError 'badKey' or 'noTls' that says what to do; the socket is closed. */
export async function secureAsPeer(raw: Socket, key: PeerKey): Promise<TLSSocket> {
  clientContext ??= createSecureContext(SUITE);
  const options: ConnectionOptions = {
    socket: raw,
    secureContext: clientContext,
    minVersion: VERSION,
    pskCallback: () => key.forTls(),
    // Asked only if the other end showed a certificate instead of using the key.
    checkServerIdentity: () => new Error('it did not use the key'),
  };
  const socket = connect(options);
  try {
    return await settled(raw, socket, 'secureConnect', () => {
      if (socket.getProtocol() !== VERSION || !socket.isSessionReused())
        throw new Error('it did not use the key');
      return socket;
    });
  } catch (error) {
    throw peerProblem(error as NodeJS.ErrnoException, key);
  }
}

/** Resolves at `event`; rejects, with everything closed, at whatever comes before. */
function settled<T>(raw: Socket, socket: TLSSocket, event: string, take: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      socket.destroy();
      raw.destroy();
      reject(error);
    };
    const closed = () => failed(new Error('the connection was closed during the TLS handshake'));
    // Two sockets, one fate; and an error that nobody listens to would end the process.
    raw.on('error', () => {});
    socket.on('error', () => {});
    raw.once('close', closed);
    socket.on('error', failed);
    // Node tells only this way of errors after the handshake, at an end that no tls.Server looks after.
    socket.on('_tlsError', (error: Error) => socket.destroy(error));
    socket.once('close', closed);
    socket.once(event, () => {
      try {
        const value = take();
        raw.off('close', closed);
        socket.off('close', closed);
        socket.off('error', failed);
        resolve(value);
      } catch (error) {
        failed(error as Error);
      }
    });
  });
}

/** What a handshake that failed means to the holder of a key. */
function peerProblem(error: NodeJS.ErrnoException, { generation, role, keyId }: PeerKey): Error {
  const { code = '' } = error;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return new UsageError(
      'Whoever listens there does not speak TLS: a Queen that was started with --insecure (then use --insecure here, too), or no Queen at all.',
      'noTls',
    );
  }
  if (!code.startsWith('ERR_SSL_')) return error;
  if (keyId === LOCAL_KEY_ID) {
    return new UsageError(
      `The secret of the data folder (generation ${generation}) is refused there: that Queen has another one. If she was started with HIVE_KEY before "hive key rotate", run "hive key --role node" here, and start her again with that; if she has a folder of her own on this machine, name it with --data; else run "hive key --role client" (or drone) where she runs, and paste its line here.`,
      'badKey',
    );
  }
  return new UsageError(
    `The key (${role} ${keyId}, generation ${generation}) is refused there: it was revoked or retired, or belongs to another Hive. Run "hive key --role ${role}" where that Queen runs, and paste its line here.`,
    'badKey',
  );
}
