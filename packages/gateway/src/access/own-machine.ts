/**
 * Who is served without a key: a program of the same account on this machine, and nothing that only looks like one. A page
 * in a browser also speaks from this machine, so everything that tells a page or a proxy from a program is asked for.
 *
 * Every condition must hold; each stops an attack that the others let pass (access.test.ts has them all).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '@hive/shared/node';

/** What is known of a request before anything of it is believed. */
export interface Request {
  /** Address of the socket's other end. */
  readonly remoteAddress: string | undefined;
  /** The port that it came in by. */
  readonly localPort: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they came, in turn: of some headers Node keeps only the first. */
  readonly rawHeaders: readonly string[];
  readonly url: string | undefined;
}

const HOSTS = ['localhost', '127.0.0.1', '[::1]'];
const HTTP_PORT = 80;
const SITES = ['none', 'same-origin'];

/** Why the request needs a key, in a sentence; null when it needs none, as far as the request itself tells. */
export function whyKeyIsNeeded({
  remoteAddress,
  localPort,
  headers,
  rawHeaders,
  url,
}: Request): string | null {
  if (remoteAddress === undefined || !isLoopback(remoteAddress)) return 'it does not come from this machine';
  const host = headers.host?.toLowerCase();
  if (host === undefined || !isOurHost(host, localPort) || times(rawHeaders, 'host') !== 1)
    return `its Host is not localhost:${localPort}, 127.0.0.1:${localPort} or [::1]:${localPort}`;
  if (url === undefined || !url.startsWith('/')) return 'its target names a host, or is no path';
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${host}`) return 'it comes from a page of another origin';
  const site = headers['sec-fetch-site'];
  if (site !== undefined && !SITES.includes(String(site))) return 'it comes from a page of another site';
  const forwarded = Object.keys(headers).find(
    (name) => name === 'forwarded' || name === 'via' || name.startsWith('x-forwarded-'),
  );
  return forwarded === undefined ? null : `it was passed on by a proxy (it has the header ${forwarded})`;
}

function isOurHost(host: string, port: number | undefined): boolean {
  return HOSTS.some((name) => host === `${name}:${port}` || (port === HTTP_PORT && host === name));
}

function times(rawHeaders: readonly string[], name: string): number {
  let found = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.toLowerCase() === name) found++;
  return found;
}
