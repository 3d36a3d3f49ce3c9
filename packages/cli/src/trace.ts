/** `DEBUG=hive:cli`: what was asked for, and where the Queen is looked for and why there. */
import { defaultDataFolder, formatAddress, readQueenAddress } from '@hive/shared/node';
import debug from 'debug';
import type { ClientArguments } from './options.ts';

const log = debug('hive:cli');

export function traceCommand(args: readonly string[]): void {
  log(
    'hive %s, in %s, Node %s',
    args.map((arg) => JSON.stringify(arg)).join(' '),
    process.cwd(),
    process.version,
  );
}

export function traceAddress({ queen, data }: ClientArguments): void {
  if (!log.enabled) return;
  const named = process.env['HIVE_QUEEN'];
  if (queen !== undefined) log('the Queen is at %s, says --queen', queen);
  else if (named) log('the Queen is at %s, says HIVE_QUEEN', named);
  else {
    const folder = data ?? defaultDataFolder();
    const left = readQueenAddress(folder);
    if (left === null) log('no Queen has left her address in %s; the default port is tried', folder);
    else log('the Queen is at %s, as she left in %s', formatAddress(left), folder);
  }
}
