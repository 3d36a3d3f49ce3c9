/**
 * The grammar of the command line: strict about what it does not know, and ready with a hint.
 *
 * Cost: every `hive` reads this and the file of its command, so commands import what is large (a Queen, a Drone, benchmarks)
 * when they run.
 */
import { nearest, UsageError } from '@hive/shared';
import yargs, { type Argv } from 'yargs';
import { COMMAND_NAMES, loadCommands } from './commands.ts';
import { readInsecure } from './insecure.ts';

const HELP_WIDTH_MAX = 110;

export async function createParser(written: readonly string[]): Promise<Argv> {
  // What follows `run` has a grammar of its own and is read there.
  const isRun = written[0] === 'run';
  const args = isRun ? written : readInsecure(written);
  const parser = yargs(isRun ? ['run'] : [...args])
    .scriptName('hive')
    .usage('$0 <command>\n\nThe Hive: hand work to every core of every machine.')
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
      'boolean-negation': false,
    });
  for (const command of await loadCommands(args)) parser.command(command);
  return parser
    .example('$0 up', 'A Queen and Drones on this machine, to try things')
    .example('$0 hash -r photos', 'What sha256sum prints, for every file in photos')
    .example('$0 status', 'How the Hive is')
    .epilogue('"hive <command> --help" tells more. DEBUG=hive:* shows the inside.')
    .strict()
    .demandCommand(1, 'Say what to do: "hive up" to try things, "hive --help" for all commands.')
    .help()
    .alias('help', 'h')
    .version()
    .wrap(Math.min(HELP_WIDTH_MAX, process.stdout.columns ?? HELP_WIDTH_MAX))
    .fail((message, error) => fail(message, error, parser, args));
}

/** What yargs found wrong becomes a UsageError; what a command threw stays what it is. */
function fail(
  message: string | null,
  error: Error | undefined,
  parser: Argv,
  args: readonly string[],
): never {
  if (error !== undefined && error.name !== 'YError') throw error;
  const command = COMMAND_NAMES.find((name) => name === args[0]);
  const hint = optionHint(parser, args) ?? commandHint(command, args);
  const more = command === undefined ? '' : ` See "hive ${command} --help".`;
  throw new UsageError(
    `${sentence(message ?? error?.message ?? 'That is not a command.')}${hint ?? ''}${more}`,
    'badCommandLine',
  );
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

function commandHint(command: string | undefined, args: readonly string[]): string | null {
  const written = args[0];
  if (command !== undefined || written === undefined || written.startsWith('-')) return null;
  const near = nearest(written, COMMAND_NAMES);
  return near.length > 0 ? ` Did you mean "hive ${near[0]}"?` : ' "hive --help" lists the commands.';
}

/** The option that was probably meant, when one is not known. */
function optionHint(parser: Argv, args: readonly string[]): string | null {
  // yargs keeps the declared names here; its types do not say so.
  const known = Object.keys((parser as unknown as { getOptions(): { key: object } }).getOptions().key);
  for (const arg of args) {
    const written = /^--([a-zA-Z][^=]+)/.exec(arg)?.[1];
    if (written === undefined || known.includes(written)) continue;
    const near = nearest(written, known);
    if (near.length > 0) return ` Did you mean --${near[0]}?`;
  }
  return null;
}
