/**
 * The seam between what a person wrote and whoever runs it: `hive run` makes a lazy stream of `CommandTask`s and takes a
 * stream of `CommandEvent`s. What runs them, here or on other machines, is an `Execute`.
 */
import type { SandboxWish } from '@hive/shared';

/** What a command reads. A block beyond 1 MiB is a stream, which can be read more than once, for retries. */
export type CommandInput = Uint8Array | CommandStream;

export interface CommandStream {
  readonly bytes: number;
  read(): AsyncIterable<Uint8Array>;
}

/** One command. What all commands of a run share is in `ExecuteOptions`. */
export interface CommandTask {
  /** From 0, without gaps: the index of the task in its job. */
  readonly index: number;
  /** GNU parallel's number of the command, from 1; what is skipped by --resume leaves gaps. */
  readonly seq: number;
  /** A line for `shell -c`. Bytes where it is not valid UTF-8. */
  readonly line: string | Uint8Array;
  /** The slot number that the line was written with, from 1; null: whoever runs it says. */
  readonly slot: number | null;
  /** Variables that only this command has, besides PARALLEL_JOBSLOT, which whoever runs it sets. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it runs; null is the folder of the run. `...` is a fresh folder that goes with the task. */
  readonly cwd: string | null;
  /** What it reads; null is nothing. */
  readonly stdin: CommandInput | null;
  /** Files to have before it starts, relative to `cwd`. */
  readonly transfer: readonly (string | Uint8Array)[];
  /** Files to bring back when it has ended. */
  readonly return: readonly (string | Uint8Array)[];
}

export interface ExecuteOptions {
  /** Program that gets `-c LINE`. */
  readonly shell: string;
  /** Folder of whoever submits. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Name of the variable that holds the slot's number, counted from 0. */
  readonly slotVariable: string;
  /** Variables asked for by name: what is carried to machines where the environment is scrubbed. */
  readonly carriedEnv: readonly string[];
  /** What they are to be shut in; null: nothing. */
  readonly sandbox: SandboxWish | null;
  /** Whether `--wd`, files or the like say that commands may run on other hosts. */
  readonly hasOwnFolder: boolean;
  /** Commands at a time; Infinity for as many as there are slots. */
  readonly slots: number;
  /** The commands' slot numbers are in their lines: none may be pulled before there is a free slot for it. */
  readonly pullsWhenFree: boolean;
  /** Tries in all. */
  readonly attempts: number;
  /** Milliseconds that one attempt may take; null: any. */
  readonly timeoutMillis: number | null;
  /** Milliseconds between two starts. */
  readonly delayMillis: number;
  readonly baseFiles: readonly string[];
  /** Remove what was transferred, and what was brought back, from where the command ran. */
  readonly cleanup: boolean;
  /** Whether `output` events are wanted while commands run; their output is then not in `finished`. */
  readonly streamsOutput: boolean;
  /** Aborted with 'soon' (start no more) or 'now' (end what runs). */
  readonly halt: AbortSignal;
}

export type HaltReason = 'soon' | 'now';

/** What a command wrote, to be read once. `truncated`: bytes left out in the middle, because there was more than is kept. */
export interface CommandOutput {
  readonly data: Uint8Array | CommandStream;
  readonly truncated: number;
}

export interface CommandResult {
  /** Null if a signal ended it. */
  readonly exitCode: number | null;
  /** Number of the signal that ended it, or null. */
  readonly signal: number | null;
  /** It ran out of time; the signal is the one that ended it. */
  readonly isTimedOut: boolean;
  /** Milliseconds since 1970, of the last attempt. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** ':' on the submitter's own host, else the Drone's name. */
  readonly host: string;
  readonly stdout: CommandOutput;
  readonly stderr: CommandOutput;
  /** Bytes of files transferred and brought back. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Per task, in this order: started, output …, finished. After another try, started comes again. */
export type CommandEvent =
  | { readonly type: 'started'; readonly index: number }
  | {
      readonly type: 'output';
      readonly index: number;
      readonly stream: 'stdout' | 'stderr';
      readonly data: Uint8Array;
    }
  | { readonly type: 'finished'; readonly index: number; readonly result: CommandResult };

/**
 * Runs commands. It pulls as far ahead as it has use for, yields events as they come (also while it waits for a command,
 * which may be long in coming), starts nothing more once `halt` is aborted, and ends when every command that it pulled has
 * finished (or, with 'now', was ended or never started).
 */
export type Execute = (
  commands: AsyncIterable<CommandTask>,
  options: ExecuteOptions,
) => AsyncIterable<CommandEvent>;
