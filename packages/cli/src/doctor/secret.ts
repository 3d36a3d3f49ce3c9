/** Which key this user has, whether it can be used, and whether nobody else may read it. */
import { LOCAL_KEY_ID, UsageError } from '@hive/shared';
import { type Access, type AccessOptions, accessOf, type PeerKey, secretPath } from '@hive/shared/node';
import { commandName } from '../folder.ts';
import { type Finding, failed, ok, skipped } from './step.ts';

export interface KeyFinding {
  readonly finding: Finding;
  /** Null when there is no key, or none that can be used. */
  readonly access: Access | null;
}

/** @param folder the data folder, with the secret if there is one */
export function checkSecret(folder: string, options: Omit<AccessOptions, 'data'>): KeyFinding {
  try {
    const access = accessOf({ ...options, data: folder }, null)();
    if (access.kind === 'key') return { finding: ok(describeKey(access.key, folder)), access };
    return { finding: skipped('--insecure: no keys are used, and nothing is encrypted'), access };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { finding: error.code === 'noKey' ? noKey(folder) : failed(error.message), access: null };
  }
}

/** What a key is called; never the key itself. */
export function describeKey({ role, keyId, generation }: PeerKey, folder: string): string {
  if (keyId === LOCAL_KEY_ID) return `${secretPath(folder)}, for this user only (generation ${generation})`;
  return `the key ${keyId}, role ${role}, generation ${generation}, which HIVE_KEY or HIVE_KEY_FILE gives`;
}

function noKey(folder: string): Finding {
  const hive = commandName('hive');
  return failed(
    `There is no key: no ${secretPath(folder)}, and neither HIVE_KEY nor HIVE_KEY_FILE gives one.`,
    `If the Queen runs elsewhere: "${hive} key --role drone" there (or client), and paste its line here: HIVE_KEY=… in front of the command.`,
    `If she is to run here: start her ("${commandName('queen')}"); she makes the secret. A data folder of her own is named with --data.`,
  );
}
