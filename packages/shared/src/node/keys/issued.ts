/**
 * Which keys were handed out, beside the secret: ids, roles, names and times, never a key. One JSON object a line, only
 * ever appended to.
 */

import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '../../messages.ts';
import type { PeerKey } from './peer-key.ts';
import { readPrivateFile } from './private-file.ts';

export interface IssuedKey {
  readonly id: string;
  readonly role: Role;
  readonly name: string | null;
  readonly generation: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

const KEY_ID_BYTES = 8;
export const newKeyId = (): string => randomBytes(KEY_ID_BYTES).toString('hex');

const issuedPath = (folder: string): string => join(folder, 'hive.keys');

export function noteIssued(
  folder: string,
  { keyId, role, generation }: PeerKey,
  name: string | null,
  at: Date,
): void {
  append(folder, { id: keyId, role, name, generation, createdAt: at.toISOString(), revokedAt: null });
}

export function noteRevoked(folder: string, id: string, at: Date): void {
  append(folder, { id, revokedAt: at.toISOString() });
}

/** The oldest first. Lines that cannot be read are left out. @throws UsageError when others may read the file */
export function readIssued(folder: string): IssuedKey[] {
  const keys = new Map<string, IssuedKey>();
  for (const line of (readPrivateFile(issuedPath(folder)) ?? '').split('\n')) {
    try {
      const entry = JSON.parse(line) as Partial<IssuedKey> & { readonly id: string };
      const known = keys.get(entry.id);
      if (entry.role !== undefined)
        keys.set(entry.id, { ...(entry as IssuedKey), revokedAt: known?.revokedAt ?? null });
      else if (known !== undefined) keys.set(entry.id, { ...known, revokedAt: entry.revokedAt ?? null });
    } catch {}
  }
  return [...keys.values()];
}

function append(folder: string, entry: Partial<IssuedKey>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = issuedPath(folder);
  appendFileSync(path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
}
