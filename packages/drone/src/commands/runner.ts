/**
 * Runs the commands of one job in a slot's thread, one at a time, and says how each ended.
 *
 * The thread blocks while a command runs, so ending it is the main thread's business (slots/group-ender.ts). What it reads
 * and prints goes through files in the slot's folder: they can be watched from their beginning while it runs, nobody who
 * reads slowly holds it up, and nothing of it is held in memory, whatever its size.
 */
import { writeSync } from 'node:fs';
import { LIMITS } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';
import type { KindSlot, Task } from '../kinds/kind.ts';
import { type Environment, environmentOf } from './environment.ts';
import { endGroup, signalGroup } from './group.ts';
import { type Ended, type Launch, LaunchError, type Launcher } from './launch.ts';
import { loadLibc } from './libc.ts';
import { NodeLauncher } from './node-launcher.ts';
import type { CommandParams, Order, Variables } from './params.ts';
import type { PlacedFiles } from './place-files.ts';
import { PosixLauncher } from './posix-launcher.ts';
import type { Printed } from './printed-files.ts';
import { findProgram } from './program.ts';
import { endOfText, type Kept, keptOf, type Outcome, putPrinted, putResult } from './result.ts';
import { CommandSandbox, type Entered } from './sandbox.ts';
import type { Workplace } from './workplace.ts';

/** As much of standard error as fits the text of a failure. */
const ERROR_TEXT_BYTES = 1_600;
/** A result beside a failure stands in one value with the failure's words; a larger one is a stream. */
const FAILED_BYTES_MAX = LIMITS.valueBytesMax - 64 * 1024;
/** What a shell says of a program that is not there, and of one that cannot be run. */
const NOT_FOUND = 127;
const NOT_RUN = 126;
const PLAIN_SHELL = '/bin/sh';

/** One command's open files; null: /dev/null. */
interface Files {
  readonly stdin: number | null;
  stdout: Printed | null;
  stderr: Printed | null;
}
/** A command's end, whether it was ever started or not. */
interface Over extends Ended {
  /** Its process group; 0 if it was not started. */
  readonly group: number;
  /** Why it was not started. */
  readonly error: LaunchError | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** A thread has one for all its jobs. */
let launcher: Launcher | null = null;

function theLauncher(): Launcher {
  if (launcher === null) {
    const libc = loadLibc();
    launcher = libc === null ? new NodeLauncher() : new PosixLauncher(libc);
  }
  return launcher;
}
const now = (): number => performance.timeOrigin + performance.now();

export class CommandRunner {
  readonly #params: CommandParams;
  readonly #slot: KindSlot;
  readonly #place: Workplace;
  readonly #launcher = theLauncher();
  readonly #sandbox: CommandSandbox;
  /** Of the command that runs. */
  #entered: Entered | null = null;
  readonly #isRaw: boolean;
  /** By the order's own variables; those of the job are put together, and encoded, once. */
  readonly #environments = new WeakMap<Variables, Environment>();

  /** @throws TaskFailure when this Drone does not have the sandbox that the job asks for */
  constructor(params: CommandParams, slot: KindSlot, place: Workplace, isRaw: boolean) {
    this.#params = params;
    this.#slot = slot;
    this.#place = place;
    this.#isRaw = isRaw;
    this.#sandbox = new CommandSandbox(params.sandbox, slot);
  }

  /** @throws TaskFailure where what runs sees another disk than this process, which puts the files there */
  mayPlaceIn({ cwd }: Order): void {
    if (cwd === null || !this.#sandbox.isElsewhere) return;
    const text =
      'In its sandbox the files of a command go into its own folder: leave "cwd" (hive run: --wd) out.';
    throw new TaskFailure('badParams', text);
  }

  /**
   * Takes `stdin` over, and closes it in any case.
   * @param placed the command's files; null: it has none. @throws TaskFailure
   */
  run(task: Task, order: Order, stdin: number | null, placed: PlacedFiles | null): void | Promise<void> {
    const { position } = task;
    const files: Files = { stdin, stdout: null, stderr: null };
    try {
      this.#open(position, files);
    } catch (error) {
      this.#leave(files);
      throw error;
    }
    const startedAt = now();
    let group = 0;
    const isOver = (ended: Ended, error: LaunchError | null) => {
      try {
        this.#finish(task, order, files, placed, { ...ended, error, startedAt, group });
      } finally {
        this.#leave(files);
      }
    };
    const isNotStarted = (error: unknown) => {
      if (error instanceof LaunchError) return isOver(endOf(error), error);
      this.#leave(files);
      throw error;
    };
    const started = (pid: number) => {
      group = pid;
      this.#started(position, pid);
    };
    let ended: Ended | Promise<Ended>;
    try {
      ended = this.#launch(position, order, files, started);
    } catch (error) {
      return isNotStarted(error);
    }
    if (ended instanceof Promise) return ended.then((end) => isOver(end, null), isNotStarted);
    isOver(ended, null);
  }

  #open(position: number, files: Files): void {
    const slot = this.#slot;
    const { keepStdout, keepStderr } = this.#params;
    const { printed } = this.#place;
    if (keepStdout > 0) files.stdout = printed.open(slot.run, position, 'stdout', slot);
    if (keepStderr > 0) files.stderr = printed.open(slot.run, position, 'stderr', slot);
  }

  #launch(
    position: number,
    order: Order,
    files: Files,
    started: (pid: number) => void,
  ): Ended | Promise<Ended> {
    const { nothing } = this.#place;
    this.#entered = this.#sandbox.enter(
      {
        ...this.#program(order),
        stdin: files.stdin ?? nothing,
        stdout: files.stdout?.given ?? nothing,
        stderr: files.stderr?.given ?? nothing,
      },
      this.#variablesOf(order),
      this.#params.isExactEnv,
    );
    const { launch, handle } = this.#entered;
    this.#slot.group.starting(handle?.level === 'bwrap');
    const verdict = this.#slot.group.verdict(position);
    if (verdict !== null) {
      const outcome = verdict.why === 'timedOut' ? 'timedOut' : 'cancelled';
      throw new TaskFailure(outcome, verdict.message, outcome === 'timedOut', outcome);
    }
    try {
      return this.#launcher.run(launch, started);
    } catch (error) {
      // A script without a line that names its interpreter: as every shell does it.
      if (!(error instanceof LaunchError) || error.code !== 'ENOEXEC') throw error;
      const argv = [PLAIN_SHELL, launch.file, ...launch.argv.slice(1)];
      return this.#launcher.run({ ...launch, file: PLAIN_SHELL, argv }, started);
    }
  }

  #started(position: number, pid: number): void {
    const { group } = this.#slot;
    const { timeoutMillis } = this.#params;
    group.started(pid);
    this.#place.noteGroup(pid);
    if (timeoutMillis !== null) this.#slot.limit(position, timeoutMillis);
    const handle = this.#entered?.handle ?? null;
    if (handle !== null && handle.diskBytes !== null) this.#slot.limitDisk(position, handle);
    // The main thread may have looked for the process before there was one.
    if (group.verdict(position) !== null) signalGroup(pid, 'SIGTERM');
  }

  #program({ what, cwd: wanted, env }: Order): Pick<Launch, 'file' | 'argv' | 'env' | 'cwd'> {
    const cwd = wanted ?? this.#place.work;
    const { list, path } = this.#environmentOf(env);
    if (what.as === 'line') {
      const { shell } = this.#params;
      return { file: shell, argv: [shell, '-c', what.line, shell, ...what.args], env: list, cwd };
    }
    const [name] = what.argv;
    // What is inside of a sandbox is found there.
    const file = this.#sandbox.isElsewhere ? String(name) : findProgram(name!, path, cwd);
    return { file, argv: what.argv, env: list, cwd };
  }

  /** For sandboxes, which make an environment of their own. */
  #variablesOf({ env }: Order): Variables {
    const { slotVariable } = this.#params;
    return slotVariable === null ? env : { ...env, [slotVariable]: String(this.#slot.number) };
  }

  #environmentOf(own: Variables): Environment {
    let environment = this.#environments.get(own);
    if (environment === undefined) {
      environment = environmentOf(this.#params, own, this.#place.tmp, this.#slot.number);
      this.#environments.set(own, environment);
    }
    return environment;
  }

  /** The command is over: sees to it that nobody is left of its group, and says how it ended. @throws TaskFailure */
  #finish(task: Task, order: Order, files: Files, placed: PlacedFiles | null, over: Over): void {
    const words = this.#slot.group;
    if (over.group !== 0) {
      endGroup(over.group, words.verdict(task.position) !== null);
      this.#place.noteGroup(0);
    }
    const cut = this.#entered?.leave(over) ?? null;
    this.#entered = null;
    const verdict = words.verdict(task.position);
    words.ended();
    const { error } = over;
    // For whoever takes any exit code.
    if (error !== null && files.stderr !== null)
      writeSync(files.stderr.file, `hive: ${error.sentence(order.cwd)}\n`);
    const stderr = keptOf(files.stderr?.file ?? null, this.#params.keepStderr);
    if (verdict?.why === 'cancelled') throw new TaskFailure('cancelled', verdict.message, false, 'cancelled');
    if (verdict?.why === 'timedOut') throw timedOut(verdict.message, stderr);
    if (verdict?.why === 'disk') throw new TaskFailure('diskLimit', verdict.message, true);
    const isTimedOut = verdict?.why === 'limit';
    const failure = this.#judge(over, isTimedOut, stderr, order, cut);
    if (failure !== null)
      throw this.#withResult(failure, task, files, stderr, { ...over, isTimedOut, endedAt: now() });
    const stdout = keptOf(files.stdout?.file ?? null, this.#params.keepStdout);
    if (this.#isRaw) putPrinted(task, stdout);
    else {
      const returned = placed?.give(order.returns) ?? null;
      putResult(task, { ...over, isTimedOut, endedAt: now() }, stdout, stderr, returned);
    }
  }

  /** What the command printed goes beside the failure where the job asks for that. */
  #withResult(failure: TaskFailure, task: Task, files: Files, stderr: Kept, outcome: Outcome): TaskFailure {
    const { hasFailedResult, keepStdout } = this.#params;
    if (!hasFailedResult || this.#isRaw) return failure;
    try {
      putResult(
        task,
        outcome,
        keptOf(files.stdout?.file ?? null, keepStdout),
        stderr,
        null,
        FAILED_BYTES_MAX,
      );
      failure.keepsOutput = true;
      return failure;
    } catch (error) {
      // The disk does not take it: it has failed for its own reason all the same.
      if (error instanceof TaskFailure) return failure;
      throw error;
    }
  }

  /** Null unless the job takes this end for a failure. */
  #judge(
    { exitCode, signal, error }: Over,
    isTimedOut: boolean,
    stderr: Kept,
    { cwd }: Order,
    cut: string | null,
  ): TaskFailure | null {
    const { exitCodes, timeoutMillis } = this.#params;
    if (exitCodes === null) return null;
    if (isTimedOut) return timedOut(`The command took longer than its limit of ${timeoutMillis} ms.`, stderr);
    if (error !== null) return new TaskFailure('notStarted', error.sentence(cwd), true);
    if (cut !== null && !exitCodes.has(exitCode ?? -1))
      return new TaskFailure('sandboxLimit', `${cut}${textOf(stderr)}`, true);
    if (signal !== null)
      return new TaskFailure('signal', `The command was ended by signal ${signal}.${textOf(stderr)}`, true);
    if (exitCodes.has(exitCode!)) return null;
    return new TaskFailure('exit', `The command ended with exit code ${exitCode}.${textOf(stderr)}`, true);
  }

  #leave({ stdin, stdout, stderr }: Files): void {
    // Of one that was not started.
    this.#entered?.leave(null);
    this.#entered = null;
    const { isWatched, group } = this.#slot;
    if (stdin !== null) this.#place.close(stdin);
    for (const each of [stdout, stderr]) if (each !== null) this.#place.printed.close(each, isWatched);
    this.#place.clean();
    group.ended();
  }
}

/** What a shell would have said. */
function endOf({ code }: LaunchError): Ended {
  return { exitCode: code === 'ENOENT' ? NOT_FOUND : NOT_RUN, signal: null, usage: null };
}

function timedOut(sentence: string, stderr: Kept): TaskFailure {
  return new TaskFailure('timedOut', `${sentence}${textOf(stderr)}`, true, 'timedOut');
}

function textOf(stderr: Kept): string {
  const text = endOfText(stderr, ERROR_TEXT_BYTES);
  return text === '' ? '' : `\n${text}`;
}
