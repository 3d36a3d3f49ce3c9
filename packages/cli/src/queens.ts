/** Where a Drone looks for its Queen: where it was told to, else where a Queen of this machine says that she is. */
import {
  type Address,
  DEFAULT_PORT,
  defaultDataFolder,
  LOOPBACK,
  parseAddress,
  readQueenAddress,
} from '@hive/shared/node';
import type { ClientArguments } from './options.ts';
import { traceAddress } from './trace.ts';

/**
 * Asked again before every attempt, because a Queen that comes back may have another port.
 * @throws UsageError when a text is no address
 */
export function queensOf({ queen, data }: ClientArguments): () => Address[] {
  traceAddress({ queen, data });
  const named = queen ?? process.env['HIVE_QUEEN'];
  if (named) {
    const addresses = named.split(',').map(parseAddress);
    return () => addresses;
  }
  const folder = data ?? defaultDataFolder();
  return () => [readQueenAddress(folder) ?? { host: LOOPBACK, port: DEFAULT_PORT }];
}
