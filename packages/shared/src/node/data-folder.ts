/**
 * The folder in which a Queen leaves its address, so that what is started later on this machine finds it. Per user, by
 * the XDG rules on Linux and their like elsewhere; `HIVE_DATA` names another one.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import envPaths from 'env-paths';
import { type Address, formatAddress, parseAddress } from './address.ts';

const ADDRESS_FILE = 'queen.address';

export function defaultDataFolder(): string {
  return process.env['HIVE_DATA'] || envPaths('hive', { suffix: '' }).data;
}

/** Leaves the address of a Queen that listens. Written whole or not at all. */
export function writeQueenAddress(folder: string, address: Address): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, ADDRESS_FILE);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${formatAddress(address)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** The address that a Queen left there, or null. */
export function readQueenAddress(folder: string): Address | null {
  try {
    return parseAddress(readFileSync(join(folder, ADDRESS_FILE), 'utf8'));
  } catch {
    return null;
  }
}

/** Takes the address away again, unless another Queen has left its own meanwhile. */
export function removeQueenAddress(folder: string, address: Address): void {
  const left = readQueenAddress(folder);
  if (left === null || formatAddress(left) !== formatAddress(address)) return;
  rmSync(join(folder, ADDRESS_FILE), { force: true });
}
