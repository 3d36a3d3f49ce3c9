/**
 * Why a key was refused. A Queen does not say (a stranger could ask), so it is told from what else is known: the list of keys
 * that were made here, and who was heard in the network.
 */
import { UsageError } from '@hive/shared';
import { type Address, formatAddress, type PeerKey, readIssued } from '@hive/shared/node';
import { commandName } from '../folder.ts';
import { type Finding, failed } from './step.ts';

export interface Evidence {
  readonly folder: string;
  /** Addresses of Queens whose announcements this key's own Queen has signed. */
  readonly own: readonly Address[];
  /** Where Queens of other clusters say that they are. */
  readonly foreign: readonly string[];
}

export function whyRefused(key: PeerKey, address: Address, evidence: Evidence): Finding {
  const { role, keyId } = key;
  const where = formatAddress(address);
  const another = `Make another key where the Queen runs ("${commandName('hive')} key --role ${role}"), and paste its line here.`;
  const revokedAt = revokedHere(evidence.folder, keyId);
  if (revokedAt !== null) return failed(`The key ${keyId} was revoked at ${revokedAt}.`, another);
  const isHers = evidence.own.some((own) => formatAddress(own) === where);
  if (isHers)
    return failed(
      `The Queen at ${where} is of this key's own cluster, and refuses it: the key ${keyId} was revoked.`,
      another,
    );
  const mine = 'See that HIVE_KEY (or --data) is of the cluster that you mean.';
  if (evidence.foreign.includes(where))
    return failed(`The Queen at ${where} is of another cluster than the key ${keyId}.`, mine, another);
  return failed(
    `The key ${keyId} (role ${role}, generation ${key.generation}) is refused at ${where}: it is of another cluster, or was revoked or retired.`,
    mine,
    another,
  );
}

/** Null when this machine's list of keys says nothing of it. */
function revokedHere(folder: string, keyId: string): string | null {
  try {
    return readIssued(folder).find(({ id }) => id === keyId)?.revokedAt ?? null;
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}
