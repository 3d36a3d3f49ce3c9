/** `hive gateway`: the HTTP API beside a Queen, until Ctrl-C. */

import type { Gateway } from '@hive/gateway';
import { isLoopback } from '@hive/shared/node';
import type { CommandModule } from 'yargs';
import { commandName } from '../folder.ts';
import { interrupted } from '../interrupt.ts';
import { Journal } from '../journal.ts';
import { CLIENT_OPTIONS, type ClientArguments, connectOptionsOf, wholeNumber } from '../options.ts';

export interface ApiArguments {
  readonly apiPort?: number | undefined;
  readonly apiHost?: string | undefined;
  readonly apiOpen: boolean;
  readonly apiRate?: number | undefined;
}
interface GatewayArguments extends ClientArguments, ApiArguments {
  readonly logFile?: string | undefined;
}

const PORT = 3_000;
const PORT_MAX = 65_535;
const RATE = 20_000;
const RATE_MAX = 1_000_000_000;

/** Of every command that starts a gateway. */
export const API_OPTIONS = {
  'api-port': {
    type: 'number',
    requiresArg: true,
    describe: `Port of the HTTP API (default: ${PORT}, or the next free one; 0: any)`,
  },
  'api-host': {
    type: 'string',
    requiresArg: true,
    describe: 'Address to listen on (default: this machine only). Elsewhere a key is needed',
  },
  'api-open': {
    type: 'boolean',
    default: false,
    describe: 'Serve every account of this machine without a key, not only yours and root',
  },
  'api-rate': {
    type: 'number',
    requiresArg: true,
    describe: `Requests a second of one caller (default: ${RATE})`,
  },
} as const;

export const gatewayCommand: CommandModule<object, GatewayArguments> = {
  command: 'gateway',
  describe: 'Start the HTTP API beside a Queen',
  builder: (yargs) =>
    yargs
      .options({
        ...API_OPTIONS,
        ...CLIENT_OPTIONS,
        'log-file': { type: 'string', requiresArg: true, describe: 'Write what it says as JSON lines, too' },
      })
      .example('$0 gateway', `The API of this user's Hive at http://localhost:${PORT}`)
      .example('$0 gateway --api-host 0.0.0.0', 'For other machines, too; they need keys') as never,
  handler: runGateway,
};

async function runGateway(argv: GatewayArguments): Promise<void> {
  const { startGateway } = await import('@hive/gateway');
  const journal = new Journal(argv.logFile);
  const gateway = await startGateway({
    queen: connectOptionsOf(argv, 'hive gateway'),
    ...apiOptionsOf(argv),
  });
  const interruption = interrupted();
  sayWhereItIs(gateway, argv, journal);
  const signal = await interruption;
  journal.say('🌐 The gateway is going...', 'gatewayStopping', { signal });
  await gateway.close();
  journal.close();
}

/** For `startGateway`. @throws UsageError */
export function apiOptionsOf({ apiPort, apiHost, apiOpen, apiRate }: ApiArguments) {
  return {
    port: apiPort === undefined ? PORT : wholeNumber('--api-port', apiPort, 0, PORT_MAX),
    isPortFixed: apiPort !== undefined,
    isOpen: apiOpen,
    ...(apiHost === undefined ? {} : { host: apiHost }),
    ...(apiRate === undefined ? {} : { requestsPerSecond: wholeNumber('--api-rate', apiRate, 1, RATE_MAX) }),
  };
}

export function sayWhereItIs(
  { url, host, port }: Gateway,
  { apiPort, apiOpen }: Pick<ApiArguments, 'apiPort' | 'apiOpen'>,
  journal: Journal,
): void {
  if (apiPort === undefined && port !== PORT)
    journal.say(`🌐 Port ${PORT} is taken, so the API took the next free one: ${port}.`, 'apiPortTaken', {
      port,
    });
  journal.say(`🌐 The HTTP API is at ${url}/api/v1 (its description: ${url}/openapi.json)`, 'apiListening', {
    host,
    port,
  });
  const key = `"${commandName('hive')} key --role client" makes one`;
  if (!isLoopback(host))
    journal.say(
      `   Other machines need a key (${key}). HTTP is in the clear: put TLS before it where others listen.`,
      'apiReach',
      { host },
    );
  else
    journal.say(
      `   ${apiOpen ? 'Every account of this machine' : 'You and root, on this machine,'} may use it without a key; for others ${key}.`,
      'apiReach',
      { host, isOpen: apiOpen },
    );
}
