/**
 * What runs the commands of one `hive run`: a Hive that is there, or one that is started on this machine for the length
 * of it (`--local`). Opened after the command line was found sound, closed before the process ends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hive } from '@hive/client';
import type { SandboxPolicy } from '@hive/drone';
import { LIMITS, type SandboxWish, UsageError } from '@hive/shared';
import { insecureWarning } from '../../insecure.ts';
import { noteLostQueen } from '../../lost-queen.ts';
import { connectTo } from '../../options.ts';
import { leaveWithReader } from '../../reader-gone.ts';
import type { Execute } from '../command-task.ts';
import type { OptionValues } from '../options/option-parser.ts';
import type { RunSettings } from '../options/settings.ts';
import { executeOn } from './execute.ts';
import { fittingSlots, labelsOf, type Wanted } from './fitting.ts';
import { noDrone } from './no-drone.ts';

export interface Engine extends AsyncDisposable {
  readonly execute: Execute;
  /** What `-j 100%` means. */
  readonly cpus: number;
}

export interface EngineRequest {
  readonly values: OptionValues;
  readonly settings: RunSettings;
  /** Processors of this machine. */
  readonly cpus: number;
  /** A word to the person, without our name before it. */
  readonly say: (text: string) => void;
  /** Aborted when the person wants it to end. */
  readonly interrupt: AbortSignal;
}
export type StartEngine = (request: EngineRequest) => Promise<Engine>;

/** Slots that `--local -j0` has for each processor. */
const SLOTS_PER_CPU = 4;
/** How long a Drone may take to come before there is none. */
const NO_DRONE_MILLIS = 4_000;
const LOOK_MILLIS = 200;

/** @throws UsageError for what cannot be done, and when there is no Queen, or no Drone that fits */
export const startEngine: StartEngine = async (request) => {
  const { values } = request;
  await using stack = new AsyncDisposableStack();
  const isLocal = values.has('local');
  const hive = isLocal ? await openLocal(request, stack) : await openRemote(request);
  stack.use(hive);
  stack.use(noteLostQueen(hive, request.say));
  stack.use(leaveWithReader(hive));
  const wanted = { isOwnHost: !runsAnywhere(request), sandbox: request.settings.execution.sandbox };
  const slots = await slotsOf(hive, wanted, request);
  warnOfFewSlots(request, slots);
  const sayEnding = () => request.say('Ending what runs; press Ctrl-C again to leave at once.');
  request.interrupt.addEventListener('abort', sayEnding, { once: true });
  const opened = stack.move();
  return {
    execute: executeOn(hive, {
      ...{ isOwnHost: wanted.isOwnHost, labels: labelsOf(wanted) },
      ...{ slots, say: request.say },
    }),
    cpus: isLocal ? request.cpus : slots,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
};

function runsAnywhere({ values, settings }: EngineRequest): boolean {
  const { command, execution } = settings;
  const files = command.transfer.length + command.return.length + execution.baseFiles.length;
  return values.has('anywhere') || command.folder !== null || files > 0;
}

async function openLocal(
  { values, settings, cpus }: EngineRequest,
  stack: AsyncDisposableStack,
): Promise<Hive> {
  const other = ['queen', 'data', 'insecure'].find((name) => values.has(name));
  if (other !== undefined) {
    throw new UsageError(
      `--local does not go with --${other}: it starts a Queen of its own, and ends her with the run.`,
    );
  }
  const { slots, sandbox } = settings.execution;
  const wanted = slots === Number.POSITIVE_INFINITY ? cpus * SLOTS_PER_CPU : slots;
  const { startProcesses } = await import('@hive/local');
  const processes = await startProcesses({
    slotsPerDrone: Math.min(wanted, LIMITS.slotsMax),
    stdio: 'ignore',
    ...(sandbox === null ? {} : { sandbox: policyFor(sandbox) }),
  });
  stack.defer(() => processes.stop());
  const { connect } = await import('@hive/client');
  return connect({ ...processes.access, name: 'hive run' });
}

/** A Drone of one's own offers whatever its machine can do. */
function policyFor({ image, network = false }: SandboxWish): SandboxPolicy {
  const images = image === undefined ? [] : [image];
  return { minimum: 'none', images, network, limits: {}, readable: [], hidden: [] };
}

async function openRemote({ values, say }: EngineRequest): Promise<Hive> {
  const text = (name: string) => values.get(name)?.at(-1);
  const insecure = text('insecure');
  const isReally = insecure === 'yes-really';
  if (insecure !== undefined && insecure !== '' && !isReally)
    throw new UsageError(`--insecure takes no value, or "yes-really"; not "${insecure}".`, 'badCommandLine');
  if (isReally) say(insecureWarning());
  const where = { queen: text('queen'), data: text('data') };
  try {
    return await connectTo({ ...where, insecure: insecure === '', insecureYesReally: isReally }, 'hive run');
  } catch (error) {
    if (!(error instanceof UsageError) || error.code !== 'noQueen') throw error;
    const at = where.queen === undefined ? '' : ` at ${where.queen}`;
    throw new UsageError(
      `No Queen answers${at}: start one with "hive up", or write "hive run --local" to run the commands on this machine alone.`,
      'noQueen',
    );
  }
}

/** Slots of all Drones that the commands may run on. @throws UsageError if none comes within some seconds */
async function slotsOf(hive: Hive, wanted: Wanted, { interrupt }: EngineRequest): Promise<number> {
  const deadline = performance.now() + NO_DRONE_MILLIS;
  const labels = labelsOf(wanted);
  for (;;) {
    const drones = await hive.drones();
    const slots = fittingSlots(drones, labels);
    if (slots > 0 || interrupt.aborted) return Math.max(1, slots);
    if (performance.now() > deadline) throw noDrone(drones, wanted);
    await sleep(LOOK_MILLIS);
  }
}

/** Whoever asks for 100 at a time should know why there are fewer. */
function warnOfFewSlots({ settings, values, say }: EngineRequest, slots: number): void {
  const wanted = settings.execution.slots;
  if (!values.has('jobs') || !Number.isFinite(wanted) || wanted <= slots) return;
  if (!/^\d+$/.test(values.get('jobs')!.at(-1)!)) return;
  say(
    `Warning: Only ${slots} run at a time: that is how many slots the Drones have. Start them with more, "hive drone --slots ${wanted}".`,
  );
}
