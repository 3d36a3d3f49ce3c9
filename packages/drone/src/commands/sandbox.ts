/**
 * The seam between commands and sandboxes: what a job wishes and the Drone's operator demands, agreed on once per job, and what
 * they make of each command. In `none` a launch stays as it is.
 *
 * A sandbox changes the program, its arguments, its environment and its folder (to run them through another program), not
 * the files of its output.
 */
import { randomBytes } from 'node:crypto';
import { readSandboxWish, type SandboxLevel, type SandboxWish, UsageError } from '@hive/shared';
import { badInput, TaskFailure } from '../kinds/failure.ts';
import type { KindSlot } from '../kinds/kind.ts';
import { LAUNCH_FAILED } from '../sandbox/launcher.ts';
import type { RunHandle, RunPlan, SandboxSetup } from '../sandbox/plan.ts';
import { agreeOnTerms, type SandboxTerms } from '../sandbox/policy.ts';
import { closeRunNow, openRun, runVerdict } from '../sandbox/run.ts';
import type { Ended, Launch, Text } from './launch.ts';
import type { Variables } from './params.ts';

/** A command on its way through its sandbox. */
export interface Entered {
  readonly launch: Launch;
  /** Null: it is in none. */
  readonly handle: RunHandle | null;
  /**
   * It has ended (null: it was never started): ends and removes what is left of its sandbox. Returns one sentence if
   * that has cut it short. Blocks this thread.
   */
  leave(ended: Ended | null): string | null;
}

export class CommandSandbox {
  readonly #setup: SandboxSetup | null;
  readonly #slot: KindSlot;
  readonly #terms: SandboxTerms | null;

  /**
   * @param readable folders of the Drone's own programs, which can be read inside besides what the operator allows; not in
   * docker, where programs are the image's, and such a folder might cover theirs
   * @throws TaskFailure when the wish makes no sense, or this Drone cannot fulfil it
   */
  constructor(wish: unknown, slot: KindSlot, readable: readonly string[] = []) {
    const { sandbox } = slot;
    this.#terms = termsOf(readWish(wish), sandbox);
    const isShown = sandbox !== null && this.#terms?.level !== 'docker';
    this.#setup = isShown ? showing(sandbox, readable) : sandbox;
    this.#slot = slot;
  }

  get level(): SandboxLevel {
    return this.#terms?.level ?? 'none';
  }

  /** Of docker. */
  get image(): string | null {
    return this.#terms?.image ?? null;
  }

  /** Programs are not those that the Drone sees, and are looked for inside. */
  get isElsewhere(): boolean {
    return this.#terms !== null && this.#terms.level !== 'limits';
  }

  /** @param own the variables that job and task ask for. @throws TaskFailure when it cannot run in there */
  enter(launch: Launch, own: Variables, isExact: boolean): Entered {
    const terms = this.#terms;
    if (terms === null) return { launch, handle: null, leave: () => null };
    const plan = this.#open(this.#setup!, terms, launch, own, isExact);
    const { handle } = plan;
    return {
      launch: sandboxed(launch, plan),
      handle,
      leave: (ended) => {
        const cut = ended === null || ended.exitCode === 0 ? null : sentenceOf(handle);
        closeRunNow(handle, ended !== null && ended.exitCode !== null && ended.exitCode !== LAUNCH_FAILED);
        return cut;
      },
    };
  }

  #open(
    setup: SandboxSetup,
    terms: SandboxTerms,
    { cwd }: Launch,
    own: Variables,
    isExact: boolean,
  ): RunPlan {
    const { number, folder: scratch } = this.#slot;
    const run = `${number}-${randomBytes(6).toString('hex')}`;
    const environment = Object.fromEntries(Object.entries(own).map(([name, text]) => [name, plain(text)]));
    try {
      return openRun(setup, terms, {
        run,
        argv: [],
        environment,
        isExact,
        inherited: {},
        folder: cwd,
        scratch,
      });
    } catch (error) {
      if (error instanceof UsageError) throw new TaskFailure('noSandbox', error.message, true);
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT')
        throw new TaskFailure('notStarted', `There is no folder ${cwd} on this Drone.`, true);
      throw new TaskFailure('noSandbox', `The sandbox of the command cannot be made: ${message}`, true);
    }
  }
}

function showing(setup: SandboxSetup, readable: readonly string[]): SandboxSetup {
  const { policy } = setup;
  return { ...setup, policy: { ...policy, readable: [...policy.readable, ...readable] } };
}

function readWish(wish: unknown): SandboxWish {
  try {
    return readSandboxWish(wish);
  } catch (error) {
    throw new TaskFailure('badParams', (error as Error).message);
  }
}

/** Null: nothing is asked for and nothing demanded. */
function termsOf(wish: SandboxWish, setup: SandboxSetup | null): SandboxTerms | null {
  if (setup === null) {
    if (wish.level === 'none') return null;
    throw new TaskFailure(
      'noSandbox',
      `This Drone has no sandbox ${wish.level}; it was not started with any (hive drone --sandbox).`,
      true,
    );
  }
  try {
    const terms = agreeOnTerms(setup.policy, setup.machine, wish);
    return terms.level === 'none' ? null : terms;
  } catch (error) {
    if (error instanceof UsageError) throw new TaskFailure('noSandbox', error.message, true);
    throw error;
  }
}

function sandboxed(launch: Launch, { argv, env, cwd }: RunPlan): Launch {
  const words: readonly Text[] = [...argv, ...launch.argv];
  return {
    ...launch,
    // A launcher, bwrap or docker.
    file: String(words[0]),
    argv: words,
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    cwd,
  };
}

function plain(text: Text): string {
  if (typeof text === 'string') return text;
  const decoded = Buffer.from(text).toString();
  if (Buffer.from(decoded).equals(text)) return decoded;
  throw badInput('In a sandbox the variables of a command are UTF-8.');
}

function sentenceOf(handle: RunHandle): string | null {
  const verdict = runVerdict(handle);
  if (verdict === null) return null;
  return verdict === 'memory'
    ? 'The command was ended: it took more memory than its sandbox allows.'
    : 'The command was refused a process: it has as many as its sandbox allows.';
}
