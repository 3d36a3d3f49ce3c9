/**
 * `hive drone` as it is started: a process that starts the Drone as its child and does nothing but wait. A task's native code can
 * take a whole process with it; then the Drone is started again, and the Queen finds the task that does it.
 *
 * The child is this same command (HIVE_SUPERVISOR says so), with the same terminal, streams, environment and process group. They
 * hold the two ends of a channel: whoever of them is killed, the other notices at once, and a Drone without its supervisor ends
 * itself with SIGKILL. Ctrl-C of a terminal reaches both, a signal to this process is passed on by a word; the Drone takes the
 * two for one. It says when it begins to work and when it ends on purpose; every other end that it had begun to work before is
 * a loss.
 *
 * Cost: it loads Node's own modules and `Supervisor`, so it is as small as a process of Node can be.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { type Exit, exitText, type Supervised, Supervisor } from '@hive/local/supervisor';
import { type FromDrone, type Lost, type PassedOn, SUPERVISOR, type ToDrone } from './supervised.ts';

/** One that dies so often before it has begun to work cannot. */
const FAILURES_MAX = 5;
const PASSED_ON: readonly PassedOn[] = ['SIGINT', 'SIGTERM'];
/** Who ends a process so wants it to end. */
const WISHES: readonly (string | null)[] = [...PASSED_ON, 'SIGHUP', 'SIGQUIT'];

class DroneChild implements Supervised {
  readonly exited: Promise<Exit>;
  hasStarted = false;
  /** It ends on purpose. */
  isLeaving = false;
  peer = '';
  #listens = false;
  readonly #process: ChildProcess;

  constructor(lost: Lost | null) {
    const [, script, ...args] = process.argv;
    this.#process = spawn(process.execPath, [...process.execArgv, script!, ...args], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, [SUPERVISOR]: String(process.pid) },
    });
    this.#process.on('message', (words: FromDrone) => this.#hear(words));
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => resolve({ code, signal }));
      this.#process.once('error', (error) => {
        say(2, `hive: The Drone's process cannot be started: ${error.message}`);
        resolve({ code: 1, signal: null });
      });
    });
    this.#tell({ type: 'begin', lost });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** One that does not listen yet ends as a process does that has just been started. */
  interrupt(signal: PassedOn): void {
    if (this.#listens) this.#tell({ type: 'interrupt', signal });
    else this.#process.kill(signal);
  }

  #hear(words: FromDrone): void {
    if (words.type === 'listens') this.#listens = true;
    else if (words.type === 'leaves') this.isLeaving = true;
    else {
      this.hasStarted = true;
      this.peer = words.peer;
    }
  }

  #tell(words: ToDrone): void {
    // The callback keeps a process that has just ended from raising an error here; `exited` tells of it.
    if (this.#process.connected) this.#process.send(words, () => {});
  }
}

export async function supervise(): Promise<void> {
  let wasResting = false;
  const supervisor = new Supervisor<DroneChild>({
    start: (lost) => new DroneChild(lostOf(lost)),
    isEnd: (exit, child, failures) => {
      if (failures >= FAILURES_MAX) sayThatItCannotStart(exit);
      return isMeant(exit, child) || failures >= FAILURES_MAX;
    },
    onLost: (exit, millis) => {
      const next = `${(millis / 1_000).toFixed(1)} s`;
      say(1, `🔧 The Drone's process was lost (${exitText(exit)}); it is started again in ${next}.`);
    },
  });
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      // Nothing runs that could be waited for.
      wasResting = supervisor.process === null;
      supervisor.process?.interrupt(signal);
      supervisor.stop();
    });
  }
  supervisor.start();
  const exit = await supervisor.over;
  endAs(wasResting ? { code: 0, signal: null } : exit);
}

/** With a code and before it has begun to work, it has said why it cannot. */
function isMeant({ code, signal }: Exit, { hasStarted, isLeaving }: DroneChild): boolean {
  return signal === null ? isLeaving || code === 0 || !hasStarted : WISHES.includes(signal);
}

function lostOf(lost: { readonly process: DroneChild; readonly exit: Exit } | null): Lost | null {
  if (lost === null) return null;
  const { pid, peer } = lost.process;
  return { pid, peer: peer === '' ? null : peer, how: exitText(lost.exit) };
}

function sayThatItCannotStart(exit: Exit): void {
  say(
    2,
    `hive: The Drone cannot start: ${FAILURES_MAX} times in a row its process has ended (${exitText(exit)}).`,
  );
}

/** This process ends as the Drone's did, as far as it can: no second core is dumped, and init in a container heeds no signals. */
function endAs({ code, signal }: Exit): void {
  process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  if (signal === null || !WISHES.includes(signal)) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Nobody may be there any more to read it. */
function say(stream: 1 | 2, text: string): void {
  try {
    writeSync(stream, `${text}\n`);
  } catch {}
}
