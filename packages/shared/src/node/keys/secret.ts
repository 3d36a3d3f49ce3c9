/**
 * A cluster's secret on disk: whoever reads it is a Queen. It lies in the data folder (the user's own, or that of
 * `--data` or HIVE_DATA, so that throw-away clusters have their own) and holds the newest generation and, until that is
 * retired, the one before.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InvariantError, UsageError } from '../../errors.ts';
import { Generation, SECRET_BYTES } from './derive.ts';
import { createPrivateFile, readPrivateFile, replacePrivateFile } from './private-file.ts';

/** The newest generation first; at most two. */
export type Secret = readonly [Generation, ...Generation[]];

const VERSION = 1;
const GENERATIONS_MAX = 2;
/** A lock that is older than this, in milliseconds, was left by a process that died. */
const LOCK_MILLIS_MAX = 10_000;

export const secretPath = (folder: string): string => join(folder, 'hive.secret');

/** A secret that only this process knows. */
export const newSecret = (): Secret => [new Generation(1, new Uint8Array(randomBytes(SECRET_BYTES)))];

/** Null when there is none. @throws UsageError when others may read it, or it is damaged */
export function readSecret(folder: string): Secret | null {
  const path = secretPath(folder);
  const text = readPrivateFile(path);
  return text === null ? null : parse(text, path);
}

/** Reads the secret, or makes it: of several processes that do so at once, all get the same. @throws UsageError */
export function ensureSecret(folder: string): Secret {
  const known = readSecret(folder);
  if (known !== null) return known;
  createPrivateFile(secretPath(folder), format(newSecret()));
  const secret = readSecret(folder);
  if (secret === null) throw new InvariantError(`${secretPath(folder)} went away just after it was made`);
  return secret;
}

/** A new generation, beside the newest one of before. @throws UsageError when the one before that is not retired yet */
export function rotateSecret(folder: string): Secret {
  return change(folder, (secret) => {
    const [newest, ...older] = secret;
    if (older.length > 0) {
      const { number } = older[0]!;
      throw new UsageError(
        `Generation ${number} is still valid. Give everybody keys of generation ${newest.number}, then "hive key retire", then rotate again.`,
        'notRetired',
      );
    }
    return [new Generation(newest.number + 1, new Uint8Array(randomBytes(SECRET_BYTES))), newest];
  });
}

/** Only the newest generation stays. @throws UsageError when there is no other */
export function retireSecret(folder: string): Secret {
  return change(folder, ([newest, ...older]) => {
    if (older.length > 0) return [newest];
    throw new UsageError(
      `Only generation ${newest.number} is valid, so there is nothing to retire. "hive key rotate" comes first.`,
      'nothingToRetire',
    );
  });
}

/** One process at a time. */
function change(folder: string, next: (secret: Secret) => Secret): Secret {
  const lock = `${secretPath(folder)}.lock`;
  if (!createPrivateFile(lock, '')) {
    const age = Date.now() - statSync(lock).mtimeMs;
    if (age < LOCK_MILLIS_MAX)
      throw new UsageError('Another process is changing the secret. Try again in a moment.', 'locked');
    rmSync(lock, { force: true });
    if (!createPrivateFile(lock, ''))
      throw new UsageError('Another process is changing the secret.', 'locked');
  }
  try {
    const secret = next(ensureSecret(folder));
    replacePrivateFile(secretPath(folder), format(secret));
    return secret;
  } finally {
    rmSync(lock, { force: true });
  }
}

function format(secret: Secret): string {
  const generations = secret.map(({ number, secretText }) => ({ generation: number, secret: secretText }));
  const what = 'The secret of a Hive. Whoever reads this file is a Queen of it.';
  return `${JSON.stringify({ what, version: VERSION, generations }, null, 2)}\n`;
}

interface Stored {
  readonly version: number;
  readonly generations: readonly { readonly generation: number; readonly secret: string }[];
}

function parse(text: string, path: string): Secret {
  const damaged = (what: string) =>
    new UsageError(
      `${path} ${what}. Restore it from a backup, or move it away: a new one is made, and all keys with it.`,
      'damagedSecret',
    );
  let stored: Stored;
  try {
    stored = JSON.parse(text) as Stored;
  } catch {
    throw damaged('is damaged');
  }
  if (stored?.version !== VERSION) throw damaged('was written by another version of The Hive, or is damaged');
  const { generations } = stored;
  if (!Array.isArray(generations) || generations.length < 1 || generations.length > GENERATIONS_MAX)
    throw damaged('is damaged');
  const secret = generations.map(({ generation, secret }) => {
    const bytes = new Uint8Array(Buffer.from(String(secret), 'base64url'));
    if (!Number.isSafeInteger(generation) || generation < 1 || bytes.length !== SECRET_BYTES)
      throw damaged('is damaged');
    return new Generation(generation, bytes);
  });
  return secret as unknown as Secret;
}
