/** The name of a hash algorithm as a person wrote it, and what they may have meant when there is none. */
import { getHashes } from 'node:crypto';
import { nearest, UsageError } from '@hive/shared';

/** The names that the GNU tools print with `--tag`. */
const TAGS: Readonly<Record<string, string>> = { blake2b512: 'BLAKE2b', 'rsa-md5': 'MD5' };

/** @throws UsageError when there is no such algorithm, with the nearest names */
export function findAlgorithm(written: string): string {
  const known = getHashes();
  const lower = written.toLowerCase();
  const found = known.find((name) => name === written) ?? known.find((name) => name.toLowerCase() === lower);
  if (found !== undefined) return found;
  const near = nearest(written, known);
  const hint =
    near.length === 0
      ? 'Some that do: sha256, sha512, sha1, md5, blake2b512.'
      : `Did you mean ${near.join(', ')}?`;
  throw new UsageError(`There is no hash algorithm "${written}". ${hint}`, 'unknownAlgorithm');
}

/** `SHA256` for sha256: how a BSD-style line begins. */
export function tagOf(algorithm: string): string {
  return TAGS[algorithm.toLowerCase()] ?? algorithm.toUpperCase();
}
