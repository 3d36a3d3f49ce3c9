/** Where a Queen may be found, in the order in which it is looked for, and what to say when none was. */
import { UsageError } from '@hive/shared';
import {
  DEFAULT_PORT,
  defaultDataFolder,
  formatAddress,
  LOOPBACK,
  type Place,
  parseAddress,
  readQueenAddress,
} from '@hive/shared/node';

export type Candidate = Place;

export interface WhereToLook {
  readonly queen?: string | readonly string[] | undefined;
  readonly data?: string | undefined;
}

/**
 * An address that was named (the option, else HIVE_QUEEN) is the only one that counts: work must not end up at another
 * Queen. Without one: what a Queen left in the data folder, then the default port of this machine. Looked up anew at
 * every attempt, because a Queen that comes back may have another port.
 * @throws UsageError when a text is no address
 */
export function candidates({ queen, data }: WhereToLook): Candidate[] {
  const named = typeof queen === 'string' ? queen : queen?.join(',');
  if (named) return parseAll(named, 'the option "queen"');
  const env = process.env['HIVE_QUEEN'];
  if (env) return parseAll(env, 'HIVE_QUEEN');
  const folder = data ?? defaultDataFolder();
  const left = readQueenAddress(folder);
  const fallback = { address: { host: LOOPBACK, port: DEFAULT_PORT }, source: 'the default' };
  if (left === null) return [fallback];
  const found = { address: left, source: `left in ${folder}` };
  return formatAddress(left) === formatAddress(fallback.address) ? [found] : [found, fallback];
}

function parseAll(texts: string, source: string): Candidate[] {
  const list = texts.split(',').filter((text) => text.trim() !== '');
  return list.map((text) => ({ address: parseAddress(text), source }));
}

/** What came of one attempt. */
export interface Failed {
  readonly candidate: Candidate;
  readonly reason: string;
  /** Somebody listens there, and it is the key that is missing, wrong, or not wanted. */
  readonly isAboutKeys: boolean;
}

const ABOUT_KEYS: readonly unknown[] = ['noKey', 'badKey', 'noTls', 'openSecret', 'insecure'];
export const isAboutKeys = (error: unknown): boolean =>
  ABOUT_KEYS.includes((error as { code?: unknown }).code);

/** None of these answered, or none let us in. */
export class NoQueenError extends UsageError {
  readonly failed: readonly Failed[];
  constructor(message: string, code: 'noQueen' | 'badKey', failed: readonly Failed[]) {
    super(message, code);
    this.failed = failed;
  }
}

/** @param others in which other ways one was looked for, each with what came of it */
export function noQueen(failed: readonly Failed[], others: readonly string[] = []): NoQueenError {
  const tried = [
    ...failed.map(
      ({ candidate, reason }) => `  ${formatAddress(candidate.address)} (${candidate.source}): ${reason}`,
    ),
    ...others.map((other) => `  ${other}`),
  ];
  if (failed.some((one) => one.isAboutKeys))
    return new NoQueenError(['No Queen let us in. Tried:', ...tried].join('\n'), 'badKey', failed);
  return new NoQueenError(
    [
      'No Queen answered. Tried:',
      ...tried,
      'Start one with `npx -y pnpm@12 queen` (and a Drone with `npx -y pnpm@12 drone`) in a checkout of The Hive,',
      'or name one: connect({ queen: "host:port" }), --queen host:port, or HIVE_QUEEN=host:port.',
    ].join('\n'),
    'noQueen',
    failed,
  );
}

/** Why an attempt failed, for people. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ECONNREFUSED') return 'nothing listens there (connection refused)';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no such host';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'there is no route to it';
  return message || String(error);
}
