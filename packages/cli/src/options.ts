/** Options that several commands share, and the connection that they lead to. */
import { type ConnectOptions, connect, type Hive, millisOf } from '@hive/client';
import { LIMITS, UsageError } from '@hive/shared';
import { DISCOVERY_PORT } from '@hive/shared/node';
import type { Argv } from 'yargs';
import { INSECURE_OPTION, type InsecureArguments, insecureOf, warnIfInsecure } from './insecure.ts';
import { traceAddress } from './trace.ts';

export interface ClientArguments extends InsecureArguments {
  readonly queen?: string | undefined;
  readonly data?: string | undefined;
  readonly scan?: string | undefined;
  readonly discoveryPort?: number | undefined;
}
/** Of a command that shows something. */
export interface ViewArguments extends ClientArguments {
  readonly json: boolean;
}
/** Of a command about one job. */
export interface JobArguments extends ViewArguments {
  readonly id: string;
}

export const DISCOVERY_PORT_OPTION = {
  'discovery-port': {
    type: 'number',
    requiresArg: true,
    describe: `UDP port by which Queens are found (default: DISCOVERY_PORT, else ${DISCOVERY_PORT}; 0: not at all)`,
  },
} as const;
export const CLIENT_OPTIONS = {
  queen: {
    type: 'string',
    requiresArg: true,
    describe: 'Address of the Queen, host:port, or several of them (default: she is looked for)',
  },
  data: {
    type: 'string',
    requiresArg: true,
    describe: "The Queen's data folder, where her address and the secret are found",
  },
  ...INSECURE_OPTION,
  scan: {
    type: 'string',
    requiresArg: true,
    describe: 'Ports to look for a Queen at when she is found in no other way, host:5000-5100',
  },
  ...DISCOVERY_PORT_OPTION,
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
  return connect({
    ...connectOptionsOf(argv, name),
    ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
  });
}

/** What the command line says of the Queen and of the key. */
export function connectOptionsOf(argv: ClientArguments, name: string): ConnectOptions {
  traceAddress(argv);
  const { queen, data, scan, discoveryPort } = argv;
  const insecure = insecureOf(argv);
  warnIfInsecure(insecure === 'yes-really');
  return {
    ...(queen === undefined ? {} : { queen }),
    ...(data === undefined ? {} : { data }),
    ...(scan === undefined ? {} : { scan }),
    ...(discoveryPort === undefined ? {} : { discoveryPort }),
    ...(insecure ? { insecure } : {}),
    name,
  };
}

/** A length of time from the command line or the environment; a bare number is in seconds. @throws UsageError */
export function durationOf(option: string, text: string): number {
  return millisOf(option, /^\d+(\.\d+)?$/.test(text.trim()) ? `${text.trim()}s` : text);
}

/** A number from the command line, within its bounds. @throws UsageError */
export function wholeNumber(option: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`${option} takes a whole number from ${low} to ${high}.`, 'badNumber');
}

/** As `durationOf`, and more than none. @throws UsageError */
export function positiveDurationOf(option: string, text: string): number {
  const millis = durationOf(option, text);
  if (millis > 0) return millis;
  throw new UsageError(
    `${option} takes a length of time such as 30s; leave it out for no limit.`,
    'badDuration',
  );
}

/** How often a Queen announces herself: HEARTBEAT_INTERVAL, such as 5s or 500ms, else 5 seconds. @throws UsageError */
export function announceMillisOf(env: NodeJS.ProcessEnv): number {
  const text = env['HEARTBEAT_INTERVAL'];
  if (!text) return LIMITS.announceMillis;
  const millis = durationOf('HEARTBEAT_INTERVAL', text);
  if (millis >= LIMITS.announceMillisMin && millis <= LIMITS.announceMillisMax) return millis;
  throw new UsageError('HEARTBEAT_INTERVAL takes 100ms to 1h, such as 5s.', 'badDuration');
}
