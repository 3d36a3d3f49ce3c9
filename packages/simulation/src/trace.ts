/**
 * What happened, as lines of text: the last ones for whoever has to find out why, and a hash of all of them, which must be
 * the same whenever the same seed is run (G8). So a trace can be left out, and made when it is wanted, by running the seed again.
 */
import { createHash } from 'node:crypto';
import type { Message } from '@hive/shared';
import type { VirtualTime } from './virtual-time.ts';

export interface TraceOptions {
  /** How many lines are kept. */
  readonly kept: number;
  /** Gets every line. */
  readonly listener?: ((line: string) => void) | undefined;
  /** Without it nothing is written, and the hash is that of nothing. Default: true. */
  readonly isWritten?: boolean | undefined;
}

export class Trace {
  readonly #time: VirtualTime;
  readonly #kept: number;
  readonly #listener: ((line: string) => void) | null;
  readonly #isWritten: boolean;
  readonly #hash = createHash('sha256');
  #lines: string[] = [];
  count = 0;

  constructor(time: VirtualTime, { kept, listener, isWritten = true }: TraceOptions) {
    this.#time = time;
    this.#kept = kept;
    this.#listener = listener ?? null;
    this.#isWritten = isWritten;
  }

  add(who: string, what: string | (() => string)): void {
    this.count++;
    if (!this.#isWritten) return;
    const line = `${(this.#time.now / 1000).toFixed(4)} ${who} ${typeof what === 'string' ? what : what()}`;
    this.#hash.update(line);
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#kept) this.#lines = this.#lines.slice(-this.#kept);
    this.#listener?.(line);
  }

  get last(): readonly string[] {
    return this.#lines.slice(-this.#kept);
  }
  /** Of all lines so far. */
  get hash(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}

const SHOWN = [
  'lease',
  'behind',
  'ranges',
  'at',
  'first',
  'count',
  'end',
  'index',
  'seq',
  'slots',
  'leases',
  'bytes',
  'order',
  'after',
  'received',
  'state',
  'code',
  'indices',
  'ended',
  'request',
  'last',
  'sealed',
] as const;

/** A message in one line: what decides, without the bytes of values. `nameOf` shortens job ids. */
export function describe(message: Message, nameOf: (job: string) => string): string {
  const fields = message as unknown as Readonly<Record<string, unknown>>;
  const parts: string[] = [message.type];
  if (fields['job'] !== undefined) parts.push(nameOf(fields['job'] as string));
  for (const key of SHOWN) {
    const value = fields[key];
    if (value === undefined) continue;
    if (value === true) parts.push(key);
    else parts.push(`${key}=${key === 'leases' ? leasesText(value, nameOf) : String(value)}`);
  }
  const failures = fields['failures'] as readonly { index: number; outcome: string }[] | undefined;
  if (failures !== undefined) {
    parts.push(`failures=${failures.map(({ index, outcome }) => `${index}:${outcome}`).join(',')}`);
  }
  return parts.join(' ');
}

function leasesText(value: unknown, nameOf: (job: string) => string): string {
  const list = value as readonly (
    | number
    | { lease: number; job: string; ranges: readonly number[]; done: number }
  )[];
  const texts = list.map((held) =>
    typeof held === 'number'
      ? String(held)
      : `${held.lease}(${nameOf(held.job)} ${held.ranges.join(',')} done=${held.done})`,
  );
  return `[${texts.join(' ')}]`;
}
