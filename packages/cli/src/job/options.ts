/** The options of a job on the command line, and what they become in the library's words. */
import type { Hive, JobOptions } from '@hive/client';
import { LIMITS, type Plain, UsageError } from '@hive/shared';
import type { Argv, Options } from 'yargs';
import { findJob } from '../job-view.ts';
import { wholeNumber } from '../options.ts';

type Repeatable = string | readonly string[] | undefined;

export interface JobOptionArguments {
  readonly name?: string | undefined;
  readonly priority?: number | undefined;
  readonly weight?: number | undefined;
  readonly slots?: number | undefined;
  readonly label?: Repeatable;
  readonly targetNode?: string | undefined;
  readonly retries?: number | undefined;
  readonly backoff?: string | undefined;
  readonly backoffMax?: string | undefined;
  readonly attemptTimeout?: string | undefined;
  readonly queueTimeout?: string | undefined;
  readonly deadline?: string | undefined;
  readonly crashLimit?: number | undefined;
  readonly after?: Repeatable;
  readonly haltOn?: string | undefined;
  readonly retention?: string | undefined;
}

const GROUP = 'Options of the job (times: 500ms, 10s, 5m, 2h, 7d):';
const text = (describe: string) => ({ type: 'string', requiresArg: true, group: GROUP, describe }) as const;
const number = (describe: string) => ({ type: 'number', requiresArg: true, group: GROUP, describe }) as const;

const JOB_OPTIONS = {
  name: text('Its name for people'),
  priority: number('-1000 to 1000, higher goes first (default: 0)'),
  weight: number('Its share among jobs of one priority, 1 to 10000 (default: 1)'),
  slots: number('Slots of one Drone that each task takes (default: 1)'),
  label: text('key=value that a Drone must have; may be repeated'),
  'target-node': text("Run it on this node's Drone only: its name, or its id"),
  retries: number('How often a task that failed is tried again (default: 2; hive hash: 0)'),
  backoff: text('Wait before the first retry; doubles (default: 1s)'),
  'backoff-max': text('Wait before any retry, at most (default: 60s)'),
  'attempt-timeout': text('Time for one attempt of a task; then it is stopped'),
  'queue-timeout': text('Time that a task may wait for its start'),
  deadline: text('Time for the whole job; then it is stopped, and has failed'),
  'crash-limit': number('Times that a task may kill its Drone (default: 3)'),
  after: text('ID of a job that must have succeeded before (ID:end: ended in any way); may be repeated'),
  'halt-on': text('Give the job up after so many failed tasks, or such a share: 5, 10%'),
  retention: text('How long it is kept after its end (default: 7d)'),
} as const;

/** Gives a command its own options, and these behind them. */
export function withJobOptions(yargs: Argv, own: { readonly [name: string]: Options }): Argv {
  // Help lists groups in the order in which they were named.
  return yargs.group(Object.keys(own), 'Options:').options(own).options(JOB_OPTIONS);
}

/** @throws UsageError for what cannot be understood; the library says it of the rest */
export async function jobOptionsOf(argv: JobOptionArguments, hive: Hive): Promise<JobOptions> {
  const { name, backoff, backoffMax, attemptTimeout, queueTimeout, deadline, haltOn, retention } = argv;
  const labels = [...listOf(argv.label)];
  if (argv.targetNode !== undefined) labels.push(await nodeLabel(hive, argv.targetNode));
  const after = await Promise.all(listOf(argv.after).map((one) => afterOf(hive, one)));
  return withoutAbsent({
    name,
    priority: numberOf('--priority', argv.priority, -1_000, 1_000),
    weight: numberOf('--weight', argv.weight, 1, 10_000),
    slots: numberOf('--slots', argv.slots, 1, LIMITS.slotsMax),
    labels: labels.length === 0 ? undefined : parseLabels(labels),
    retries: numberOf('--retries', argv.retries, 0, 1_000_000),
    backoff,
    backoffMax,
    attemptTimeout,
    queueTimeout,
    deadline,
    crashLimit: numberOf('--crash-limit', argv.crashLimit, 1, 1_000_000),
    after: after.length === 0 ? undefined : after,
    haltOn,
    retention,
  });
}

/** The label of one node's Drone: by its name, if no other has that, else by its id. @throws UsageError */
async function nodeLabel(hive: Hive, written: string): Promise<string> {
  const nodes = await hive.nodes();
  const named = nodes.filter(({ name }) => name === written);
  if (named.length === 1) return `node=${written}`;
  const found = nodes.filter(({ id }) => id.startsWith(written));
  if (named.length === 0 && found.length === 1) return `nodeId=${found[0]!.id}`;
  const known = nodes.map(({ name, id }) => `${name} (${id.slice(0, 12)})`).join(', ') || 'none';
  const what =
    named.length > 1
      ? `${named.length} nodes are called "${written}": name it by its id`
      : `There is no node "${written}"`;
  throw new UsageError(`${what}. Known here: ${known}.`, 'unknownNode');
}

export function listOf(given: Repeatable): readonly string[] {
  if (given === undefined) return [];
  return typeof given === 'string' ? [given] : given;
}

function numberOf(option: string, value: number | undefined, low: number, high: number): number | undefined {
  return value === undefined ? undefined : wholeNumber(option, value, low, high);
}

const ANY_END = ':end';

/** Any part of an id will do that only one job has, as everywhere. */
async function afterOf(hive: Hive, written: string): Promise<string> {
  if (!written.endsWith(ANY_END)) return findJob(hive, written);
  return `${await findJob(hive, written.slice(0, -ANY_END.length))}${ANY_END}`;
}

/** `gpu=yes` → { gpu: 'yes' }. @throws UsageError */
export function parseLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=');
      if (at < 1)
        throw new UsageError(`"${label}" is not a label. Write key=value, for instance gpu=yes.`, 'badLabel');
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}

/** `generate=1024`, `algorithm=md5`, or all of them as one JSON object. @throws UsageError 'badParams' */
export function parseParams(given: Repeatable): Record<string, Plain> {
  const params: Record<string, Plain> = {};
  for (const written of listOf(given)) {
    const at = written.indexOf('=');
    if (written.trimStart().startsWith('{')) Object.assign(params, parseObject(written));
    else if (at > 0) params[written.slice(0, at)] = jsonOr(written.slice(at + 1));
    else {
      throw new UsageError(
        `"${written}" is no parameter. Write key=value, or all of them as a JSON object.`,
        'badParams',
      );
    }
  }
  return params;
}

function parseObject(written: string): Record<string, Plain> {
  try {
    return JSON.parse(written) as Record<string, Plain>;
  } catch (error) {
    throw new UsageError(`--params: this is not JSON: ${(error as Error).message}.`, 'badParams');
  }
}

function jsonOr(written: string): Plain {
  try {
    return JSON.parse(written) as Plain;
  } catch {
    return written;
  }
}

function withoutAbsent(
  options: { [option in keyof JobOptions]: JobOptions[option] | undefined },
): JobOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
