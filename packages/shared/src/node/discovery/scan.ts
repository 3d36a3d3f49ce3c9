/**
 * Looking through ports: what `--scan host:5000-5100` means, and attempts to connect, so many at once and no more, so that
 * a range that nobody answers in costs neither this machine nor the other one much.
 */
import { UsageError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import { type Address, LOOPBACK } from '../address.ts';
import { dial } from '../dial.ts';

export interface PortRange {
  readonly host: string;
  readonly first: number;
  /** Included. */
  readonly last: number;
}

const PORT_MAX = 65_535;
const FORM = /^(?:(?:\[([^\]\s\p{Cc}]+)\]|([^:\s/@[\]\p{Cc}]*)):)?(\d{1,5})(?:-(\d{1,5}))?$/u;

/** `host:5000-5100`, `[::1]:5000-5100`, `5000-5100` or `5000`. @throws UsageError with an example */
export function parsePortRange(text: string): PortRange {
  const [, bracketed, plain, from, to] = FORM.exec(text.trim()) ?? [];
  const first = Number(from);
  const last = to === undefined ? first : Number(to);
  if (from === undefined || first < 1 || last < first || last > PORT_MAX) {
    throw new UsageError(
      `"${text}" is not a range of ports. Write host:from-to, for instance ${LOOPBACK}:5000-5100.`,
      'badRange',
    );
  }
  return { host: bracketed || plain || LOOPBACK, first, last };
}

/** Several, separated by commas. @throws UsageError when one makes no sense, or all together are too many */
export function parseScan(text: string): PortRange[] {
  const ranges = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(parsePortRange);
  const ports = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (ranges.length > 0 && ports <= LIMITS.scanPortsMax) return ranges;
  throw new UsageError(
    `A scan goes through 1 to ${LIMITS.scanPortsMax} ports, not ${ports}. Name fewer of them.`,
    'badRange',
  );
}

export function* addressesOf(ranges: readonly PortRange[]): Generator<Address, void, undefined> {
  for (const { host, first, last } of ranges) {
    for (let port = first; port <= last; port++) yield { host, port };
  }
}

/** Calls `attempt` for each item, so many at once; resolves when all are through. An attempt must not reject. */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  attempt: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = rest.next(); !next.done; next = rest.next()) await attempt(next.value);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export interface ScanOptions {
  /** For one attempt, in milliseconds. */
  readonly timeoutMillis?: number;
  readonly attempts?: number;
  readonly signal?: AbortSignal;
}

/** Tells of every address at which somebody listens, as it is found. Resolves when all were tried, or the signal came. */
export async function scan(
  ranges: readonly PortRange[],
  found: (address: Address) => void,
  { timeoutMillis = LIMITS.scanMillis, attempts = LIMITS.scanAttempts, signal }: ScanOptions = {},
): Promise<void> {
  await inParallel(addressesOf(ranges), attempts, async (address) => {
    if (signal?.aborted) return;
    try {
      const socket = await dial(address, timeoutMillis, signal);
      socket.destroy();
      found(address);
    } catch {
      // Nobody there.
    }
  });
}
