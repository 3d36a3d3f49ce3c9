/** Addresses as people write them: `host:port`, `[::1]:port`, `host` or `:port`. */
import { UsageError } from '../errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}
export const DEFAULT_PORT = 8080;
export const LOOPBACK = '127.0.0.1';
/** Where `hive queen` and `hive drone --listen` listen unless they are told otherwise: at all addresses of this machine. */
export const LISTEN_HOST = '0.0.0.0';

/** @throws UsageError with an example when the text is not an address */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]\s\p{Cc}]+)\]|([^:\s/@[\]\p{Cc}]*))(?::(\d{1,5}))?$/u.exec(text.trim());
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (match === null || match[0] === '' || port < 1 || port > 65_535) {
    throw new UsageError(
      `"${text}" is not an address. Write host:port, for instance ${LOOPBACK}:${DEFAULT_PORT}.`,
    );
  }
  return { host: match[1] || match[2] || LOOPBACK, port };
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether an address can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(host);
}
