/**
 * `--insecure`: plain TCP without keys. It takes no value but `yes-really`, which lets it leave this machine; that is read
 * before the command line is, because an option with a value would swallow the word behind it.
 */
import { UsageError } from '@hive/shared';
import { type Insecure, insecureOfEnvironment, LISTEN_HOST, LOOPBACK } from '@hive/shared/node';

export interface InsecureArguments {
  readonly insecure?: boolean | undefined;
  readonly insecureYesReally?: boolean | undefined;
}

const REALLY = 'insecure-yes-really';

export const INSECURE_OPTION = {
  insecure: {
    type: 'boolean',
    describe: 'Without keys, in the clear: on this machine only, unless it is --insecure=yes-really',
  },
  [REALLY]: { type: 'boolean', hidden: true },
} as const;

/** @throws UsageError for any other value */
export function readInsecure(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  return args.map((arg, i) => {
    const value = /^--insecure=(.*)$/s.exec(arg)?.[1];
    if (value === undefined || (end >= 0 && i > end)) return arg;
    if (value === 'yes-really') return `--${REALLY}`;
    throw new UsageError(
      `--insecure takes no value, or "yes-really" if you mean it for other machines, too; not "${value}".`,
      'badCommandLine',
    );
  });
}

export function insecureOf({ insecure, insecureYesReally }: InsecureArguments): Insecure {
  return insecureYesReally ? 'yes-really' : insecure === true;
}

/** Where to listen unless told otherwise: everywhere, but without keys on this machine only, unless that was forced. */
export function listenHost(insecure: Insecure): string {
  return (insecure || insecureOfEnvironment()) === true ? LOOPBACK : LISTEN_HOST;
}

/** What it means, in red where there is colour. */
export function insecureWarning(isRed: boolean = process.stderr.isTTY === true): string {
  const text =
    'INSECURE: no keys, no encryption. Whoever reaches this port can run work on every Drone, see everything and change it.';
  return isRed ? `\u001b[1;31m${text}\u001b[0m` : text;
}

/** Tells, if it was asked for. */
export function warnIfInsecure(insecure: Insecure): void {
  if (insecure) process.stderr.write(`${insecureWarning()}\n`);
}
