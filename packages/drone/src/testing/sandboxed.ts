/**
 * Runs things in sandboxes for tests, as a Drone would, one `Boxes` for each column of the table of protections. Columns
 * without cgroups are run as an ordinary user, also where the test is root's.
 */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxWish } from '@hive/shared';
import { removeCgroups } from '../sandbox/cgroups.ts';
import { LastWill } from '../sandbox/last-will.ts';
import { examineMachine, type SandboxMachine } from '../sandbox/machine.ts';
import type { RunPlan, SandboxSetup } from '../sandbox/plan.ts';
import { agreeOnTerms, type SandboxPolicy } from '../sandbox/policy.ts';
import type { Column } from '../sandbox/protections.ts';
import { openRun } from '../sandbox/run.ts';
import { type DockerEngineOfTest, IMAGE } from './docker-engine.ts';
import { closeRun, endRun } from './ending-runs.ts';

/** Of nobody else, so that its processes can be counted. */
export const ORDINARY = 61_234;
const UNTIL_MILLIS = 100_000;
const LOOK_MILLIS = 20;

/** Waits for a condition. @throws with `what` after 100 s */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + UNTIL_MILLIS;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`It did not come to pass: ${what}`);
    await delay(LOOK_MILLIS);
  }
}

export interface Started {
  readonly plan: RunPlan;
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it printed, so far. */
  readonly output: () => string;
  /** Resolves when it has ended and its streams are closed. */
  readonly ended: Promise<unknown>;
}

export interface StartOptions {
  readonly wish?: Omit<SandboxWish, 'level'>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  /** What file descriptors from 0 on are; ignored, piped, piped by default. */
  readonly stdio?: StdioOptions;
}

export class Boxes {
  readonly column: Column;
  readonly setup: SandboxSetup;
  /** Holds everything below. */
  readonly root: string;
  readonly data: string;
  readonly runs: string;
  /** The user that the Drone of this column is. */
  readonly uid: number;
  readonly #will: LastWill;
  readonly #started = new Set<Started>();
  #made = 0;

  private constructor(
    column: Column,
    machine: SandboxMachine,
    policy: Partial<SandboxPolicy>,
    drone: string,
  ) {
    this.column = column;
    this.root = realpathSync(mkdtempSync(join(tmpdir(), 'hive-boxes-')));
    this.uid = isOrdinary(column) && process.getuid?.() === 0 ? ORDINARY : (process.getuid?.() ?? -1);
    chmodSync(this.root, 0o755);
    this.data = this.folder('data', 0o700);
    this.runs = this.folder('runs', 0o711);
    const level = columnLevel(column);
    const images = level === 'docker' ? [IMAGE] : [];
    const { data, runs } = this;
    const demanded = {
      minimum: level,
      images,
      network: false,
      limits: {},
      readable: [],
      hidden: [data],
      runs,
    };
    this.setup = { drone, machine, policy: { ...demanded, ...policy }, runs };
    this.#will = new LastWill(this.setup);
  }

  /** @param engine for the column `docker`; or why there is none. A text where this machine cannot, and why. */
  static open(
    column: Column,
    engine: DockerEngineOfTest | string,
    policy: Partial<SandboxPolicy> = {},
  ): Boxes | string {
    if (column === 'docker' && typeof engine === 'string') return engine;
    const environment = typeof engine === 'string' ? {} : engine.env;
    const drone = `test${randomBytes(6).toString('hex')}`;
    const images = column === 'docker' ? [IMAGE] : [];
    const found = examineMachine({ drone, images, environment: { ...process.env, ...environment } });
    if (isOrdinary(column) && found.cgroups !== null) removeCgroups(found.cgroups);
    const machine = isOrdinary(column) ? asOrdinary(found) : found;
    if (column.endsWith('+cgroups') && machine.cgroups === null) return 'the Drone may not make cgroups here';
    const level = columnLevel(column);
    const part = level === 'none' ? null : machine[level];
    if (part?.isThere === false) return part.why;
    return new Boxes(column, machine, policy, drone);
  }

  /** A new folder of the Drone's user. */
  folder(name: string, mode = 0o755): string {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    this.own(path);
    return path;
  }
  own(path: string): void {
    if (this.uid !== process.getuid?.()) chownSync(path, this.uid, this.uid);
  }

  /** Starts a shell script with `marker` as its name, which shows in its command line. */
  start(script: string, marker: string, options: StartOptions = {}): Started {
    const run = `run-${++this.#made}`;
    const folder = options.folder ?? this.folder(`runs/${run}`, 0o700);
    const scratch = this.folder(`runs/${run}-scratch`, 0o700);
    const { setup } = this;
    const terms = agreeOnTerms(setup.policy, setup.machine, { level: 'none', ...options.wish });
    const environment = options.environment ?? {};
    const plan = openRun(setup, terms, {
      ...{ run, argv: ['/bin/sh', '-c', script, marker], environment, folder, scratch },
      inherited: { PATH: process.env['PATH'] ?? '', ...DRONE_SECRET },
    });
    this.own(plan.handle.tmp);
    const started = startPlan(plan, this.uid, options.stdio);
    this.#started.add(started);
    return started;
  }

  /** Runs it to its end, and clears up after it; what it printed. */
  async run(script: string, marker: string, options: StartOptions = {}): Promise<string> {
    const started = this.start(script, marker, options);
    await started.ended;
    await this.finish(started);
    return started.output();
  }

  /** What a Drone does when the process has ended. */
  async finish(started: Started): Promise<void> {
    await closeRun(started.plan.handle);
    this.#started.delete(started);
  }

  async close(): Promise<void> {
    for (const started of this.#started) {
      endRun(started.plan.handle, started.pid, 'SIGKILL');
      await started.ended;
      await closeRun(started.plan.handle);
    }
    await this.#will.close();
    await rm(this.root, { recursive: true, force: true });
  }
}

/** Stands for the Drone's environment, where keys may be. */
export const DRONE_SECRET = { HIVE_TEST_SECRET: 'a-key-in-the-environment' } as const;

export function startPlan(
  plan: RunPlan,
  uid: number,
  stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
): Started {
  const [program = '', ...args] = plan.argv;
  const isOther = uid !== process.getuid?.();
  const child = spawn(program, args, {
    cwd: plan.cwd,
    env: { ...plan.env },
    detached: true,
    stdio,
    ...(isOther ? { uid, gid: uid } : {}),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'close');
  return { plan, child, pid: child.pid ?? -1, output: () => output, ended };
}

/** Ids on this machine of processes that have `marker` in their command line, whatever namespace they are in. */
export function alive(marker: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(marker);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Ends what an attack left running where nothing holds it. */
export async function killAll(marker: string): Promise<void> {
  await until(`${marker} is gone`, () => {
    const left = alive(marker);
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Just gone.
      }
    }
    return left.length === 0;
  });
}

export const newMarker = (): string => `attack-${randomBytes(8).toString('hex')}`;

const isOrdinary = (column: Column): boolean =>
  column === 'none' || column === 'limits' || column === 'bwrap';

export function columnLevel(column: Column): 'none' | 'limits' | 'bwrap' | 'docker' {
  if (column === 'limits+cgroups') return 'limits';
  return column === 'bwrap+cgroups' ? 'bwrap' : column;
}

function asOrdinary(machine: SandboxMachine): SandboxMachine {
  const uid = process.getuid?.() === 0 ? ORDINARY : (process.getuid?.() ?? -1);
  const { bwrap } = machine;
  const mayUse = !bwrap.isThere || uid !== ORDINARY || isUserNamespaceAllowed(bwrap.path, uid);
  const why = 'an ordinary user may not make namespaces here.';
  return {
    ...machine,
    ...{ isRoot: false, user: { uid, gid: uid }, cgroups: null },
    bwrap: bwrap.isThere && mayUse ? { ...bwrap, setpriv: null } : { isThere: false, why },
  };
}

function isUserNamespaceAllowed(bwrap: string, uid: number): boolean {
  const args = ['--unshare-user', '--ro-bind', '/', '/', '/bin/sh', '-c', ':'];
  return existsSync(bwrap) && spawnSync(bwrap, args, { uid, gid: uid }).status === 0;
}
