/** Options that several commands share, and the connection that they lead to. */
import { connect, type Hive } from '@hive/client';
import { UsageError } from '@hive/shared';
import type { Argv } from 'yargs';
import { INSECURE_OPTION, type InsecureArguments, insecureOf, warnIfInsecure } from './insecure.ts';
import { traceAddress } from './trace.ts';

export interface ClientArguments extends InsecureArguments {
  readonly queen?: string | undefined;
  readonly data?: string | undefined;
}
/** Of a command that shows something. */
export interface ViewArguments extends ClientArguments {
  readonly json: boolean;
}
/** Of a command about one job. */
export interface JobArguments extends ViewArguments {
  readonly id: string;
}

export const CLIENT_OPTIONS = {
  queen: {
    type: 'string',
    requiresArg: true,
    describe: 'Address of the Queen, host:port (default: the one that runs on this machine)',
  },
  data: {
    type: 'string',
    requiresArg: true,
    describe: "The Queen's data folder, where her address and the secret are found",
  },
  ...INSECURE_OPTION,
} as const;

export const VERBOSE_HELP =
  'Values in full, as JSON or 0x and hex digits, of leases of a single task, up to 20 a second; of streams (over 1 MiB) the length';

export const JSON_OPTION = {
  json: { type: 'boolean', default: false, describe: 'Print one JSON document' },
} as const;

export const JOB_POSITIONAL = (yargs: Argv): Argv<JobArguments> =>
  yargs
    .positional('id', {
      type: 'string',
      demandOption: true,
      describe: 'Its id, or a beginning or end that only it has',
    })
    .options({ ...CLIENT_OPTIONS, ...JSON_OPTION });

/** @throws UsageError within 5 seconds when no Queen answers, with what was tried and what to start */
export function connectTo(argv: ClientArguments, name: string, timeoutMillis?: number): Promise<Hive> {
  const { queen, data } = argv;
  traceAddress({ queen, data });
  const insecure = insecureOf(argv);
  warnIfInsecure(insecure === 'yes-really');
  return connect({
    ...(queen === undefined ? {} : { queen }),
    ...(data === undefined ? {} : { data }),
    ...(insecure ? { insecure } : {}),
    ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
    name,
  });
}

/** A number from the command line, within its bounds. @throws UsageError */
export function wholeNumber(option: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`${option} takes a whole number from ${low} to ${high}.`, 'badNumber');
}
