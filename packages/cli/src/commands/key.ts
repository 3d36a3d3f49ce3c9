/** `hive key`: makes keys for other machines, lists and revokes them, and renews the secret from which they follow. */
import { resolve } from 'node:path';
import { type Hive, UsageError } from '@hive/client';
import type { Role } from '@hive/shared';
import {
  defaultDataFolder,
  formatKeyLine,
  type IssuedKey,
  issuingGeneration,
  newKeyId,
  noteIssued,
  noteRevoked,
  PeerKey,
  readIssued,
  readSecret,
  retireSecret,
  rotateSecret,
} from '@hive/shared/node';
import type { Argv, CommandModule } from 'yargs';
import { plural } from '../format.ts';
import {
  CLIENT_OPTIONS,
  type ClientArguments,
  connectTo,
  JSON_OPTION,
  type ViewArguments,
} from '../options.ts';
import { print } from '../print.ts';
import { formatTable } from '../table.ts';

const ROLES = ['drone', 'client', 'observer', 'node'] as const;
/** How long a Queen is waited for who may not be there, in milliseconds. */
const LOOK_MILLIS = 1_500;

interface MakeArguments extends ClientArguments {
  readonly role?: Role | undefined;
  readonly name?: string | undefined;
}
interface RevokeArguments extends ClientArguments {
  readonly id: string;
}

export const keyCommand: CommandModule<object, MakeArguments> = {
  command: 'key',
  describe: 'Make a key for another machine; list, revoke and renew keys',
  builder: (yargs) =>
    yargs
      .command(listCommand)
      .command(revokeCommand)
      .command(rotateCommand)
      .command(retireCommand)
      .options({
        role: {
          choices: ROLES,
          requiresArg: true,
          describe: 'What its holder may do: run work, submit it, only look, or everything',
        },
        name: { type: 'string', requiresArg: true, describe: 'For whom it is; only for your own list' },
        data: CLIENT_OPTIONS.data,
      })
      .example('$0 key --role drone --name attic', 'One line to paste on the machine in the attic')
      .example('$0 key revoke 0123456789abcdef', 'Its sessions are closed, and it opens no more') as never,
  handler: makeKey,
};

const folderOf = ({ data }: ClientArguments): string => resolve(data ?? defaultDataFolder());

const MEANS: Readonly<Record<Role, string>> = {
  drone: 'Whoever has it can run work for this Hive, and see the inputs of that work; not submit any.',
  client: 'Whoever has it can submit work: run commands on every Drone that accepts them, and see all jobs.',
  observer: 'Whoever has it can look at jobs and Drones, and change nothing.',
  node: 'This is THE SECRET itself: whoever has it is a Queen, can make keys of all roles, and cannot be kept out by revoking it.',
};

const COMMANDS: Readonly<Record<Role, string>> = {
  drone: '"hive drone" (or "npx -y pnpm@12 drone")',
  client: '"hive …" (or "npx -y pnpm@12 hive …")',
  observer: '"hive status" and the like',
  node: '"hive queen", "hive drone" or "hive …"',
};

function makeKey(argv: MakeArguments): void {
  const { role, name = null } = argv;
  if (role === undefined)
    throw new UsageError(
      `Say for what: "hive key --role ${ROLES.join('|')}"; or "hive key list", "revoke", "rotate", "retire".`,
      'badCommandLine',
    );
  const folder = folderOf(argv);
  const key = PeerKey.from(issuingGeneration(folder), role, newKeyId());
  noteIssued(folder, key, name, new Date());
  process.stderr.write(
    `Key ${key.keyId}, role ${role}. ${MEANS[role]}\nOn the other machine, paste this line in front of ${COMMANDS[role]}; in one network the Queen is found by herself:\n`,
  );
  process.stdout.write(`${formatKeyLine(key)}\n`);
}

const listCommand: CommandModule<object, ViewArguments> = {
  command: 'list',
  describe: 'The keys that were made here, and which of them are revoked',
  builder: { ...CLIENT_OPTIONS, ...JSON_OPTION },
  handler: listKeys,
};

async function listKeys(argv: ViewArguments): Promise<void> {
  const folder = folderOf(argv);
  const keys = new Map(readIssued(folder).map((key) => [key.id, key]));
  const revoked = await withQueen(argv, (hive) => hive.revokedKeys(), ['noQueen', 'badKey', 'notPermitted']);
  for (const { id, revokedAt } of revoked ?? []) {
    const known = keys.get(id);
    if (known !== undefined) keys.set(id, { ...known, revokedAt });
  }
  const generations = readSecret(folder)?.map(({ number }) => number) ?? [];
  const all = [...keys.values()].map((key) => ({ ...key, state: stateOf(key, generations) }));
  print(argv, { generations, keys: all }, () => formatKeys(all));
}

function stateOf({ revokedAt, generation }: IssuedKey, generations: readonly number[]): string {
  if (revokedAt !== null) return 'revoked';
  return generations.includes(generation) ? 'valid' : 'retired';
}

function formatKeys(keys: readonly (IssuedKey & { readonly state: string })[]): string {
  if (keys.length === 0) return 'No keys were made here yet. "hive key --role drone" makes one.';
  const columns = [
    { head: 'KEY' },
    { head: 'ROLE' },
    { head: 'STATE' },
    { head: 'GENERATION', align: 'right' },
    { head: 'MADE' },
    { head: 'NAME' },
  ] as const;
  const rows = keys.map((key) => [
    key.id,
    key.role,
    key.state,
    String(key.generation),
    key.createdAt.slice(0, 16).replace('T', ' '),
    key.name ?? '',
  ]);
  return formatTable(columns, rows);
}

const revokeCommand: CommandModule<object, RevokeArguments> = {
  command: 'revoke <id>',
  describe: 'Make a key worthless, at once and for good',
  builder: (yargs: Argv) =>
    yargs
      .positional('id', {
        type: 'string',
        demandOption: true,
        describe: 'Its id, or a beginning that only it has',
      })
      .options(CLIENT_OPTIONS) as unknown as Argv<RevokeArguments>,
  handler: async (argv) => {
    const folder = folderOf(argv);
    const issued = readIssued(folder);
    const found = issued.filter(({ id }) => id.startsWith(argv.id));
    const id = found.length === 1 ? found[0]!.id : argv.id;
    await using hive = await connectTo(argv, 'hive key');
    const { sessions } = await hive.revokeKey(id);
    noteRevoked(folder, id, new Date());
    const role = found.length === 1 ? found[0]!.role : null;
    process.stdout.write(`Key ${id} is revoked; ${plural(sessions, 'session')} of it closed.\n`);
    if (role === 'node') process.stderr.write(`${NODE_REVOKED}\n`);
  },
};
const NODE_REVOKED =
  'It was a node\'s: its holder knows the secret, and can make other keys from it. To keep it out: "hive key rotate", new keys for everybody else, "hive key retire".';

const rotateCommand: CommandModule<object, ClientArguments> = {
  command: 'rotate',
  describe: 'Make a new secret; keys of the old one stay valid until it is retired',
  builder: { ...CLIENT_OPTIONS },
  handler: async (argv) => {
    const folder = folderOf(argv);
    const answer = await withQueen(argv, (hive) => hive.rotateKeys());
    const generation = answer?.generation ?? rotateSecret(folder)[0].number;
    process.stdout.write(
      `${changed(answer === null, folder)}New keys are of generation ${generation}; those of generation ${generation - 1} are valid until "hive key retire".\n`,
    );
    process.stderr.write(`${nodesToRenew(folder, generation)}\n`);
  },
};

const retireCommand: CommandModule<object, ClientArguments> = {
  command: 'retire',
  describe: 'Make all keys of the secret before the newest worthless',
  builder: { ...CLIENT_OPTIONS },
  handler: async (argv) => {
    const folder = folderOf(argv);
    const answer = await withQueen(argv, (hive) => hive.retireKeys());
    const generation = answer?.generation ?? retireSecret(folder)[0].number;
    process.stdout.write(
      `${changed(answer === null, folder)}Only keys of generation ${generation} are valid now.\n`,
    );
    process.stderr.write(`${nodesLeftBehind(folder, generation)}\n`);
  },
};

/** Nodes and Queens elsewhere have the secret as a key, which does not change by itself. */
function nodesToRenew(folder: string, generation: number): string {
  const names = oldNodeKeys(folder, generation);
  const made = names.length === 0 ? '' : ` Keys of the role node that were made here: ${names.join(', ')}.`;
  return `A Queen or node that was started with HIVE_KEY does not get the new secret by itself.${made} Give each a new key ("hive key --role node") and start it again with that, before "hive key retire": nobody lets it in after that.`;
}

function nodesLeftBehind(folder: string, generation: number): string {
  const names = oldNodeKeys(folder, generation);
  const made = names.length === 0 ? '' : ` Such keys were made here: ${names.join(', ')}.`;
  return `A Queen or node that was started with HIVE_KEY of an older generation is on its own now.${made} Start it again with what "hive key --role node" prints here.`;
}

const oldNodeKeys = (folder: string, generation: number): string[] =>
  readIssued(folder)
    .filter((key) => key.role === 'node' && key.generation < generation && key.revokedAt === null)
    .map(({ id, name }) => (name === null ? id : `${id} (${name})`));

const changed = (isAlone: boolean, folder: string): string =>
  isAlone ? `No Queen answered, so the secret in ${folder} was changed without her. ` : '';

/** What a Queen says; null when there is none, or she says no in one of these ways. */
async function withQueen<T>(
  argv: ClientArguments,
  ask: (hive: Hive) => Promise<T>,
  without: readonly string[] = ['noQueen'],
): Promise<T | null> {
  try {
    await using hive = await connectTo(argv, 'hive key', LOOK_MILLIS);
    return await ask(hive);
  } catch (error) {
    if (error instanceof UsageError && without.includes(error.code)) return null;
    throw error;
  }
}
