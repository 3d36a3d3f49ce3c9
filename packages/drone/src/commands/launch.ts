/**
 * What is to be started, and what came of it: the words between the kind `command`, the sandboxes that rewrite it, and
 * the two ways of starting a process (posix-launcher.ts, node-launcher.ts).
 */

import { existsSync } from 'node:fs';

/** Text as UTF-8, or bytes as they are, for what is not valid UTF-8. Without a zero byte. */
export type Text = string | Uint8Array;

export interface Launch {
  /** Absolute path of the program. */
  readonly file: string;
  /** With the program's name as the first. */
  readonly argv: readonly Text[];
  /** `NAME=value` each, and nothing else: nothing is inherited. The same list again is not encoded again. */
  readonly env: readonly Text[];
  /** Absolute path of the folder in which it starts. */
  readonly cwd: string;
  /** File descriptors of this process. */
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** How a process ended. */
export interface Ended {
  /** Null if a signal ended it. */
  readonly exitCode: number | null;
  /** Number of the signal that ended it, or null. */
  readonly signal: number | null;
  /** What it and the children that it waited for used; null where the system was not asked. */
  readonly usage: Usage | null;
}
export interface Usage {
  readonly userMicros: number;
  readonly systemMicros: number;
  /** Null where the system cannot tell it from this process's own. */
  readonly maxRssBytes: number | null;
}

/** The program could not be started; `code` is the name of the system's error, such as ENOENT. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
  readonly code: string;
  readonly file: string;
  constructor(code: string, file: string) {
    super(`${file} cannot be started: ${code}`);
    this.code = code;
    this.file = file;
  }

  /** One sentence for people. @param cwd the folder in which it was to start, if the job asked for one */
  sentence(cwd: string | null): string {
    if (this.code !== 'ENOENT') return `The command ${this.file} cannot be run on this Drone (${this.code}).`;
    if (cwd !== null && !existsSync(cwd)) return `There is no folder ${cwd} on this Drone.`;
    return `There is no command ${this.file} on this Drone.`;
  }
}

/** Starts a process as the leader of a session and process group of its own. */
export interface Launcher {
  /**
   * Resolves, or returns, when the process has ended; `started` is called with its id, which is its group's, as soon as
   * it runs. @throws LaunchError
   */
  run(launch: Launch, started: (pid: number) => void): Ended | Promise<Ended>;
}
