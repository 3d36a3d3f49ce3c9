/**
 * The gateway: a client of the Queen that speaks HTTP. It keeps nothing: whatever it answers comes from her, so it can be
 * ended and started again at any time, and there may be as many of them as one likes.
 */
import type { AddressInfo } from 'node:net';
import { type ConnectOptions, connect } from '@hive/client';
import { UsageError } from '@hive/shared';
import { Bearers } from './access/bearer.ts';
import { Callers } from './access/callers.ts';
import { Sessions } from './access/sessions.ts';
import { buildApp } from './app.ts';
import { EventLog } from './event-log.ts';
import type { Mesh } from './mesh.ts';
import { Metrics } from './metrics.ts';
import { SingleResults } from './single-results.ts';

export interface GatewayOptions {
  /** How the Queen is found, and with which key: that of the role node, or the data folder, to tell other keys apart. */
  readonly queen: ConnectOptions;
  /** Default 3000. */
  readonly port?: number;
  /** Whether another port will not do. Default: the next free one is taken. */
  readonly isPortFixed?: boolean;
  /** Address to listen on; default: this machine's loopback addresses. */
  readonly host?: string;
  /** Serve all accounts of this machine without a key. */
  readonly isOpen?: boolean;
  /** Requests a second of one caller; default 20,000. Infinity: no limit. */
  readonly requestsPerSecond?: number;
  /** Streams (uploads, results, logs, events) at once; default 256. */
  readonly streamsMax?: number;
  /** Bytes of a JSON body; default 16 MiB. Uploads of lines have no limit. */
  readonly bodyBytesMax?: number;
  readonly mesh?: Mesh;
}

export interface Gateway extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Takes no more requests, lets those under way end (streams: at once), and closes the sessions with the Queen. */
  close(): Promise<void>;
}

export const DEFAULT_API_PORT = 3_000;
export const DEFAULT_REQUESTS_PER_SECOND = 20_000;
export const DEFAULT_API_HOST = 'localhost';
const STREAMS_MAX = 256;
const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** How long requests under way may take once the gateway is told to end. */
const CLOSE_MILLIS = 5_000;
/** Ports that are tried when one is taken. */
const PORTS_TRIED = 100;

/** @throws UsageError 'noQueen', 'badKey', 'portTaken' */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const bearers = new Bearers(options.queen);
  const hive = await connect({ name: 'gateway', ...options.queen });
  const sessions = new Sessions({ name: 'gateway', ...options.queen }, hive);
  const { requestsPerSecond = DEFAULT_REQUESTS_PER_SECOND, isOpen = false } = options;
  const events = new EventLog(hive);
  const app = buildApp({
    callers: new Callers(bearers, sessions, { isOpen, requestsPerSecond }),
    own: sessions.own,
    nodeName: options.mesh?.nodeId ?? hive.queenName ?? 'queen',
    mesh: options.mesh ?? null,
    results: new SingleResults(),
    events,
    metrics: new Metrics(),
    streamsMax: options.streamsMax ?? STREAMS_MAX,
    bodyBytesMax: options.bodyBytesMax ?? BODY_BYTES_MAX,
  });
  const close = async () => {
    events.close();
    await closeApp(app);
    await sessions.close();
  };
  try {
    await listen(app, options);
  } catch (error) {
    await close();
    throw error;
  }
  const { port, address } = app.server.address() as AddressInfo;
  const host = options.host ?? DEFAULT_API_HOST;
  const name = host === DEFAULT_API_HOST ? host : address.includes(':') ? `[${address}]` : address;
  return { host, port, url: `http://${name}:${port}`, close, [Symbol.asyncDispose]: close };
}

/** Requests under way are answered; who does not read his answer is not waited for for ever. */
async function closeApp(app: ReturnType<typeof buildApp>): Promise<void> {
  const timer = setTimeout(() => app.endConnections(), CLOSE_MILLIS);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

async function listen(app: ReturnType<typeof buildApp>, options: GatewayOptions): Promise<void> {
  const { port = DEFAULT_API_PORT, isPortFixed = false, host = DEFAULT_API_HOST } = options;
  for (let tried = port; ; tried++) {
    try {
      await app.listen({ host, port: tried });
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'EADDRINUSE') throw cannotListen(host, tried, error);
      if (isPortFixed || tried === 0 || tried - port >= PORTS_TRIED)
        throw new UsageError(
          `Port ${tried} is taken. Choose another with --api-port, or end what listens there.`,
          'portTaken',
          { cause: error },
        );
    }
  }
}

const cannotListen = (host: string, port: number, error: unknown): UsageError =>
  new UsageError(
    `The gateway cannot listen at ${host}, port ${port}: ${(error as Error).message}.`,
    'cannotListen',
    { cause: error },
  );
