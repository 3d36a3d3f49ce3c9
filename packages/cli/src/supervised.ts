/**
 * A Drone under its supervisor (supervise.ts): the child's side of their channel, and the words that both use. It loads nothing,
 * since the supervisor loads it, too.
 */

/** The environment of a supervised Drone holds the process id of its supervisor here. */
export const SUPERVISOR = 'HIVE_SUPERVISOR';

export type PassedOn = 'SIGINT' | 'SIGTERM';
/** The process in whose place this one was started. */
export interface Lost {
  readonly pid: number;
  /** Null: it had not begun to work. */
  readonly peer: string | null;
  readonly how: string;
}
/** `begin` comes first, once. */
export type ToDrone =
  | { readonly type: 'begin'; readonly lost: Lost | null }
  | { readonly type: 'interrupt'; readonly signal: PassedOn };
export type FromDrone =
  /** From now on signals are heeded here. */
  | { readonly type: 'listens' }
  /** It works; whatever ends it now was not its start. */
  | { readonly type: 'begins'; readonly peer: string }
  /** It ends on purpose, and is not to be started again. */
  | { readonly type: 'leaves' };

/** These need none. */
const WITHOUT = ['--no-supervise', '--help', '-h', '--version'];

/**
 * Whether a command line starts a Drone that nobody supervises yet.
 * @param commands the names of all there are
 */
export function isToBeSupervised(
  args: readonly string[],
  commands: readonly string[],
  env: NodeJS.ProcessEnv,
): boolean {
  const [first, ...more] = args.filter((arg) => commands.includes(arg));
  // The first one may be the value of an option before the command, as in "--data drone up".
  const isDrone = first === 'drone' && (args[0] === 'drone' || more.every((name) => name === 'drone'));
  return isDrone && env[SUPERVISOR] === undefined && !args.some((arg) => WITHOUT.includes(arg));
}

export class Supervision {
  /** The process in whose place this one was started; null: it is the first. */
  readonly lost: Promise<Lost | null>;
  #begin: (lost: Lost | null) => void = () => {};
  #interrupt: (signal: PassedOn) => void = () => {};

  private constructor() {
    this.lost = new Promise((resolve) => {
      this.#begin = resolve;
    });
    const endAtOnce = () => process.kill(process.pid, 'SIGKILL');
    process.on('disconnect', endAtOnce);
    if (!process.connected) endAtOnce();
    process.on('message', (words: ToDrone) => {
      if (words.type === 'begin') this.#begin(words.lost);
      else this.#interrupt(words.signal);
    });
    // Who only waits for words of its supervisor is through.
    process.channel?.unref();
  }

  /** Null: nobody supervises this process. What it starts is not told of its supervisor, which is not theirs. */
  static take(): Supervision | null {
    const supervisor = process.env[SUPERVISOR];
    delete process.env[SUPERVISOR];
    return supervisor === undefined ? null : new Supervision();
  }

  /** Hears of the supervisor's signals; those of this process are the caller's. */
  listen(onSignal: (signal: PassedOn) => void): void {
    this.#interrupt = onSignal;
    this.#say({ type: 'listens' });
  }
  begins(peer: string): void {
    this.#say({ type: 'begins', peer });
  }
  leaves(): void {
    this.#say({ type: 'leaves' });
  }

  #say(words: FromDrone): void {
    if (process.connected) process.send!(words);
  }
}
