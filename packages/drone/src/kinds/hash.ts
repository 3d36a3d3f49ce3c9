/**
 * `hash`: the digest of a text's UTF-8 bytes, of an integer's decimal digits, of bytes, of a stream, or (`generate`) of
 * bytes made from a seed.
 *
 * Cost: for values one native call and no copy. The payload is taken out of its msgpack header without decoding;
 * `crypto.hash` is 2.5 times as fast as `createHash` on short inputs. Every slot's thread loads this file, so it does without
 * `@hive/shared/node`, which opens sockets and takes a while to load.
 */
import { createHash, getHashes, hash as hashOnce } from 'node:crypto';
import { GENERATED_PART_BYTES, generateBytes, generateParts } from '@hive/shared/generate';
import { badInput, TaskFailure } from './failure.ts';
import type { Kind, KindJob, Runner, Task } from './kind.ts';

const GENERATE_BYTES_MAX = 2 ** 40;

export const hash: Kind = {
  name: 'hash',
  prepare: (job) => {
    const algorithm = algorithmOf(job);
    const write = job.encoding === 'raw' ? writeDigest : writeHex;
    const { generate } = job.params;
    return generate === undefined
      ? hashValues(algorithm, job.encoding, write)
      : hashGenerated(algorithm, job, lengthOf(generate), write);
  },
  displayOutput: (encoding, output) => (encoding === 'raw' ? shortDigest(output) : null),
};

/** As many digits as a person compares. */
const SHOWN_BYTES = 4;

function shortDigest(digest: Uint8Array): string {
  const digits = Array.from(digest.subarray(0, SHOWN_BYTES), (byte) => byte.toString(16).padStart(2, '0'));
  return `${digits.join('')}${digest.length > SHOWN_BYTES ? '...' : ''}`;
}

/** Puts a digest in hexadecimal out as the encoding wants it. */
type Write = (task: Task, hex: string) => void;

function writeHex(task: Task, hex: string): void {
  const { length } = hex;
  const head = length < 32 ? 1 : length < 256 ? 2 : 3;
  const at = task.reserve(head + length);
  const { out } = task;
  if (head === 1) out[at] = 0xa0 | length;
  else if (head === 2) {
    out[at] = 0xd9;
    out[at + 1] = length;
  } else {
    out[at] = 0xda;
    out[at + 1] = length >>> 8;
    out[at + 2] = length;
  }
  out.write(hex, at + head, length, 'latin1');
}

function writeDigest(task: Task, hex: string): void {
  const at = task.reserve(hex.length / 2);
  task.out.write(hex, at, hex.length / 2, 'hex');
}

function hashValues(algorithm: string, encoding: KindJob['encoding'], write: Write): Runner {
  const headOf = encoding === 'raw' ? () => 0 : payloadHead;
  return (task) => {
    if (task.streamBytes !== null) return hashStream(algorithm, task, write);
    const head = headOf(task.bytes, task.offset);
    const end = task.offset + task.size;
    const value = head < 0 ? decimalOf(task) : task.bytes.subarray(task.offset + head, end);
    write(task, hashOnce(algorithm, value, 'hex'));
  };
}

/** An integer as a person writes it. @throws TaskFailure for anything else */
function decimalOf(task: Task): string {
  const value = task.value();
  if (Number.isSafeInteger(value)) return String(value);
  throw badInput('hash takes text, bytes or an integer.');
}

/** Length of the header of a msgpack text or byte string, or -1 if it is something else. */
function payloadHead(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first >= 0xa0 && first < 0xc0) return 1;
  if (first === 0xd9 || first === 0xc4) return 2;
  if (first === 0xda || first === 0xc5) return 3;
  if (first === 0xdb || first === 0xc6) return 5;
  return -1;
}

async function hashStream(algorithm: string, task: Task, write: Write): Promise<void> {
  const digest = createHash(algorithm);
  for await (const chunk of task.chunks()) digest.update(chunk);
  write(task, digest.digest('hex'));
}

function hashGenerated(algorithm: string, job: KindJob, length: number, write: Write): Runner {
  if (job.encoding !== 'msgpack') {
    throw badInput('hash with "generate" takes integers; submit its job with the encoding "msgpack".');
  }
  const digestOf = length > GENERATED_PART_BYTES ? generatedInParts : generatedAtOnce;
  return (task) => {
    const seed = task.value();
    if (!Number.isSafeInteger(seed) || (seed as number) < 0) {
      throw badInput('hash with "generate" takes an integer from 0 to 2^53 - 1 as its seed.');
    }
    write(task, digestOf(algorithm, seed as number, length));
  };
}

const generated = new Uint8Array(GENERATED_PART_BYTES);
function generatedAtOnce(algorithm: string, seed: number, length: number): string {
  return hashOnce(algorithm, generateBytes(seed, length, generated), 'hex');
}

/** Each part is hashed while it is in the processor's cache, and none is copied. */
function generatedInParts(algorithm: string, seed: number, length: number): string {
  const digest = createHash(algorithm);
  generateParts(seed, length, (part) => digest.update(part));
  return digest.digest('hex');
}

function algorithmOf({ params }: KindJob): string {
  const { algorithm = 'sha256' } = params;
  if (typeof algorithm !== 'string')
    throw new TaskFailure('badParams', 'The algorithm of hash must be a text.');
  const names = getHashes();
  const known = names.includes(algorithm) || names.includes(algorithm.toLowerCase());
  if (known && hasFixedLength(algorithm)) return algorithm;
  throw new TaskFailure(
    'unknownAlgorithm',
    `This Drone has no hash algorithm "${algorithm.slice(0, 64)}". It has ${names.length}, sha256 and sha3-512 among them.`,
  );
}

/** Some that are listed cannot be used alone. */
function hasFixedLength(algorithm: string): boolean {
  try {
    return hashOnce(algorithm, 'x', 'hex').length > 0;
  } catch {
    return false;
  }
}

function lengthOf(generate: unknown): number {
  if (
    Number.isSafeInteger(generate) &&
    (generate as number) >= 0 &&
    (generate as number) <= GENERATE_BYTES_MAX
  ) {
    return generate as number;
  }
  throw new TaskFailure('badParams', `"generate" takes a number of bytes from 0 to ${GENERATE_BYTES_MAX}.`);
}
