/** `hive node`: a Queen and a Drone that works for every Queen of the cluster, until Ctrl-C. Any number make a mesh. */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { DroneEvent } from '@hive/drone';
import type { Gateway } from '@hive/gateway';
import type { Node, NodeNotice, NodeOptions } from '@hive/local';
import type { Notice } from '@hive/queen';
import { LIMITS } from '@hive/shared';
import {
  DEFAULT_PORT,
  discoveryPortOf,
  formatAddress,
  LISTEN_HOST,
  LOOPBACK,
  parseAddress,
} from '@hive/shared/node';
import type { CommandModule } from 'yargs';
import { DroneLines } from '../drone-lines.ts';
import { commandName } from '../folder.ts';
import { formatDuration, parseBytes, plural } from '../format.ts';
import {
  INSECURE_OPTION,
  type InsecureArguments,
  insecureOf,
  listenHost,
  warnIfInsecure,
} from '../insecure.ts';
import { interrupted } from '../interrupt.ts';
import { parseLabels } from '../job/options.ts';
import { Chatter, Journal } from '../journal.ts';
import {
  announceMillisOf,
  DISCOVERY_PORT_OPTION,
  positiveDurationOf,
  VERBOSE_HELP,
  wholeNumber,
} from '../options.ts';
import { describeNotice } from '../queen-lines.ts';
import { SANDBOX_OPTIONS, type SandboxArguments, sandboxPolicy } from '../sandbox-options.ts';
import { API_OPTIONS, type ApiArguments, apiOptionsOf, sayWhereItIs as sayWhereTheApiIs } from './gateway.ts';

interface NodeArguments extends InsecureArguments, SandboxArguments, ApiArguments {
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly queen?: string | undefined;
  readonly discoveryPort?: number | undefined;
  readonly data?: string | undefined;
  readonly cache?: string | undefined;
  readonly name?: string | undefined;
  readonly slots?: number | undefined;
  readonly label?: readonly string[] | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly peerTimeout?: string | undefined;
  readonly verbose: boolean;
  readonly logFile?: string | undefined;
}
const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string };
const PORT_MAX = 65_535;
const CACHE_BYTES_MIN = 1024 ** 2;

const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;
const number = (describe: string) => ({ type: 'number', requiresArg: true, describe }) as const;
const list = (describe: string) => ({ type: 'string', array: true, requiresArg: true, describe }) as const;

export const nodeCommand: CommandModule<object, NodeArguments> = {
  command: 'node',
  describe: 'Start a node: a Queen and a Drone that works for every node',
  builder: (yargs) =>
    yargs
      .options({
        port: number(`Of its Queen (default: ${DEFAULT_PORT}, or the next free one; 0: any)`),
        ...API_OPTIONS,
        host: text(
          `Address to listen on (default: ${LISTEN_HOST}, all of this machine; ${LOOPBACK}: for nobody else)`,
        ),
        slots: number('Tasks that its Drone runs at once (default: one per core)'),
        name: text("Its name for people (default: the machine's, and a number)"),
        queen: text('Another node, host:port, or several of them, where they are not found by themselves'),
        ...DISCOVERY_PORT_OPTION,
        'peer-timeout': text(
          'Drop a node that was not heard of for so long (default: PEER_TIMEOUT, else 30s)',
        ),
        data: text('Folder of the secret, with one for each node in it (default: HIVE_DATA, else your own)'),
        cache: text('Memory for pages that are on disk, too, such as 512MiB (default: 128MiB)'),
        label: list('key=value of its Drone, for jobs that ask for it'),
        allow: list('Kinds that its Drone accepts (default: all)'),
        ...SANDBOX_OPTIONS,
        ...INSECURE_OPTION,
        verbose: { alias: 'v', type: 'boolean', default: false, describe: VERBOSE_HELP },
        'log-file': text('Write what it says as JSON lines, too'),
      })
      .example('$0 node', 'As often as you like, on one machine or several: they find each other')
      .example(
        '$0 node --slots 4 --label gpu=yes',
        'Four tasks at once, and jobs that ask for a GPU',
      ) as never,
  handler: runNode,
};

async function runNode(argv: NodeArguments): Promise<void> {
  const [{ startNode }, { HeapPolicy }] = await Promise.all([import('@hive/local'), import('@hive/queen')]);
  new HeapPolicy();
  const journal = new Journal(argv.logFile);
  const chatter = new Chatter(journal);
  const insecure = insecureOf(argv);
  warnIfInsecure(insecure);
  const lines = new DroneLines(journal, argv.verbose);
  const node = await startNode({
    ...optionsOf(argv),
    insecure,
    onQueenEvent: (event) => tellQueen(event, chatter, argv.verbose),
    onDroneEvent: (event) => tellDrone(event, lines),
    onEvent: (event) => tellNode(event, journal),
    onStoreProblem: (problem) => {
      const what =
        problem === null ? 'There is room again: jobs are accepted.' : `No jobs: ${problem.message}`;
      journal.say(`💾 ${what}`, problem === null ? 'storeWell' : 'storeProblem');
    },
  });
  const interruption = interrupted();
  sayWhereItIs(node, argv, journal);
  const api = await startApi(node, argv).catch(async (error: unknown) => {
    await node.stop({ drain: false });
    throw error;
  });
  sayWhereTheApiIs(api.gateway, argv, journal);
  const signal = await interruption;
  journal.say(
    '👑 Node is going; what its Drone runs may finish. Press Ctrl-C again to leave at once.',
    'nodeStopping',
    { signal },
  );
  await node.stop({ drain: true, beforeQueen: () => api.close() });
  journal.log('The node has stopped.', 'nodeStopped');
  journal.close();
}

interface Api {
  readonly gateway: Gateway;
  close(): Promise<void>;
}

/** The HTTP API of this node: a client of its Queen like any other, in her process. @throws UsageError */
async function startApi(node: Node, argv: NodeArguments): Promise<Api> {
  const [{ startGateway, peerOfNode }, { connect }] = await Promise.all([
    import('@hive/gateway'),
    import('@hive/client'),
  ]);
  const queen = { queen: formatAddress(node.queen.dialAddress), discoveryPort: 0, ...node.clientAccess };
  const hive = await connect({ ...queen, name: 'node' });
  try {
    const mesh = { nodeId: node.name, peers: async () => (await hive.nodes()).map(peerOfNode) };
    const gateway = await startGateway({ queen, mesh, ...apiOptionsOf(argv) });
    return {
      gateway,
      async close() {
        await gateway.close();
        await hive.close();
      },
    };
  } catch (error) {
    await hive.close();
    throw error;
  }
}

/** @throws UsageError */
function optionsOf(argv: NodeArguments): NodeOptions {
  const discoveryPort = discoveryPortOf(argv.discoveryPort);
  const timeout = argv.peerTimeout ?? (process.env['PEER_TIMEOUT'] || '30s');
  const { name, slots, label, allow, cache, data } = argv;
  const cacheBytes = cache === undefined ? undefined : Math.max(CACHE_BYTES_MIN, parseBytes(cache));
  return {
    port: argv.port === undefined ? DEFAULT_PORT : wholeNumber('--port', argv.port, 0, PORT_MAX),
    isPortFixed: argv.port !== undefined,
    host: argv.host ?? listenHost(insecureOf(argv)),
    discovery:
      discoveryPort === null ? null : { port: discoveryPort, everyMillis: announceMillisOf(process.env) },
    queens: (argv.queen ?? '')
      .split(',')
      .filter((address) => address.trim() !== '')
      .map(parseAddress),
    peerTimeoutMillis: positiveDurationOf('--peer-timeout', timeout),
    showValues: argv.verbose,
    version: VERSION,
    ...sandboxOf(argv),
    ...(data === undefined ? {} : { data: resolve(data) }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    ...(name === undefined ? {} : { name }),
    ...(slots === undefined ? {} : { slots: wholeNumber('--slots', slots, 1, LIMITS.slotsMax) }),
    ...(label === undefined ? {} : { labels: parseLabels(label) }),
    ...(allow === undefined ? {} : { allow: allow.flatMap((kinds) => kinds.split(',')) }),
  };
}

function sandboxOf(argv: NodeArguments): Pick<NodeOptions, 'sandbox'> {
  const sandbox = sandboxPolicy(argv, argv.data);
  return sandbox === undefined ? {} : { sandbox };
}

function sayWhereItIs(node: Node, argv: NodeArguments, journal: Journal): void {
  const { port, host } = node.address;
  if (argv.port === undefined && port !== DEFAULT_PORT) {
    journal.say(
      `👑 Port ${DEFAULT_PORT} is taken, so the node took the next free one: ${port}.`,
      'portTaken',
      {
        port,
      },
    );
  }
  journal.say(`👑 Node ${node.name} is listening on port ${port} (Mesh Mode)...`, 'nodeListening', {
    name: node.name,
    host,
    port,
    queen: node.queen.id,
  });
  const { jobsActive } = node.queen.summary();
  const goesOn = jobsActive === 0 ? '' : `; ${plural(jobsActive, 'job')} of before go on`;
  journal.say(`   Its jobs and results are kept in ${node.folder}${goesOn}.`, 'storeOpened', {
    data: node.folder,
    jobsActive,
  });
  const hive = commandName('hive');
  const key = node.queen.isInsecure
    ? ''
    : `; on another machine, put before it the line that "${hive} key --role node" prints on this one`;
  journal.say(`   More of them join by themselves: "${hive} node" again${key}.`, 'hint');
}

function tellQueen(event: Notice, chatter: Chatter, isVerbose: boolean): void {
  const { text: line, isFrequent } = describeNotice(event, isVerbose);
  const { type, ...fields } = event;
  if (isFrequent) chatter.maybeSay(line, type, fields, type === 'replyReceived' ? 1 : 0);
  else chatter.say(line, type, fields);
}

/** Sessions of its own Drone with its own Queen and others are said from the Queen's side, once. */
function tellDrone(event: DroneEvent, lines: DroneLines): void {
  if (event.type !== 'connected' && event.type !== 'disconnected' && event.type !== 'draining')
    lines.tell(event);
}

function tellNode(event: NodeNotice, journal: Journal): void {
  const { type, ...fields } = event;
  journal.say(nodeText(event), type, fields);
}

function nodeText(event: NodeNotice): string {
  switch (event.type) {
    case 'nodeJoined':
      return `🤝 Node ${event.name} at ${event.address} has joined.`;
    case 'nodeLost':
      return `💔 Node ${event.name} at ${event.address} is gone without a word. Its jobs go on when it is back.`;
    case 'nodeLeft':
      return `👋 Node ${event.name} at ${event.address} has left.`;
    case 'keyRefused':
      return event.isKeyGiven
        ? `🔑 Node ${event.name} at ${event.address} does not take this node's key any more: the secret was rotated and this generation of keys retired, or the key was revoked. Without it this node is on its own. Run "hive key --role node" where the secret lies, and start this node again with what that prints as HIVE_KEY.`
        : `🔑 Node ${event.name} at ${event.address} does not take this node's key: it was started with HIVE_KEY of another generation. Run "hive key --role node" here, and start it again with what that prints as HIVE_KEY.`;
    case 'droneEnded': {
      const { code, signal } = event.exit;
      const next = formatDuration(event.retryMillis);
      return `🔧 This node's Drone has ended (${signal ?? `exit code ${code}`}); it is started again in ${next}.`;
    }
  }
}
