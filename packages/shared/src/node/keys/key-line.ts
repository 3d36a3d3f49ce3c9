/**
 * A key as one line that people paste: `HIVE_KEY=hive1.generation.role.keyId.key.public.checksum`. The checksum tells a
 * slip of the mouse from a key that is refused; it protects nothing.
 */
import { createHash } from 'node:crypto';
import { UsageError } from '../../errors.ts';
import { parseIdentity } from '../../key-identity.ts';
import { Generation, KEY_BYTES } from './derive.ts';
import { PeerKey } from './peer-key.ts';

const VERSION = 'hive1';
const NAME = 'HIVE_KEY=';
const PARTS = 7;
const CHECKSUM_BYTES = 4;

/** The line without its name. */
export function formatKey(key: PeerKey): string {
  const { generation, role, keyId, lineText, publicText } = key;
  const text = [VERSION, generation, role, keyId, lineText, publicText].join('.');
  return `${text}.${checksumOf(text)}`;
}

/** The whole line, to paste into a shell. */
export const formatKeyLine = (key: PeerKey): string => `${NAME}${formatKey(key)}`;

/**
 * @param source who gave it, for the error
 * @throws UsageError 'badKey' that says what is wrong with the line, and never shows it
 */
export function parseKey(line: string, source: string): PeerKey {
  const wrong = (what: string): never => {
    throw new UsageError(
      `${source} is not a key: ${what}. Copy the whole line that "hive key" printed.`,
      'badKey',
    );
  };
  const text = withoutName(line);
  const parts = text.split('.');
  if (parts[0] !== VERSION)
    return wrong(
      /^hive\d+$/.test(parts[0]!)
        ? 'it is of another version of The Hive'
        : 'it does not begin with "hive1."',
    );
  if (parts.length !== PARTS) return wrong(`it has ${parts.length} parts instead of ${PARTS}`);
  const [, generation, role, keyId, keyText, publicText, checksum] = parts as string[];
  if (checksumOf(text.slice(0, text.lastIndexOf('.'))) !== checksum)
    return wrong('a part of it is wrong or missing');
  const identity = parseIdentity(`${generation}.${role}.${keyId}`);
  const key = bytesOf(keyText!);
  const queenPublic = bytesOf(publicText!);
  if (identity === null || key.length !== KEY_BYTES || queenPublic.length !== KEY_BYTES)
    return wrong('a part of it has the wrong form');
  if (identity.role !== 'node') return new PeerKey(identity, key, queenPublic);
  return PeerKey.from(new Generation(identity.generation, key), 'node', identity.keyId);
}

/** As it may come out of a file or a shell: with or without its name, quotes and space. */
function withoutName(line: string): string {
  const text = line.trim().replace(/^export\s+/, '');
  return (text.startsWith(NAME) ? text.slice(NAME.length) : text).replace(/^(["'])(.*)\1$/, '$2').trim();
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'));

function checksumOf(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, CHECKSUM_BYTES).toString('base64url');
}
