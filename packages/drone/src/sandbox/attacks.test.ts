/**
 * Every cell of the table of protections, on the real thing: the attack is carried out at each level, and must fail where the table
 * says yes and succeed where it says no. All attacks are bounded by themselves, too, so that a protection that
 * fails costs a test and not the machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SandboxWish } from '@hive/shared';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ColumnBoxes } from '../testing/column-boxes.ts';
import type { DyingDrone } from '../testing/dying-drone.ts';
import { endRun } from '../testing/ending-runs.ts';
import {
  alive,
  type Boxes,
  DRONE_SECRET,
  killAll,
  newMarker,
  type Started,
  until,
} from '../testing/sandboxed.ts';
import { watchDisk } from './disk-watch.ts';
import { agreeOnTerms } from './policy.ts';
import { COLUMNS, isProtected, PROTECTIONS, type Protection } from './protections.ts';

const MiB = 1024 * 1024;
const ENTRY = fileURLToPath(new URL('../testing/dying-drone.ts', import.meta.url));
const columns = await ColumnBoxes.start();
afterAll(() => columns.close(), 180_000);

/** Carries an attack out. True: the sandbox held. */
type Attack = (boxes: Boxes, marker: string) => Promise<boolean>;

const LOOP = 'while :; do sleep 1; done';
/** Says `ready` once it ignores what it can. */
const STUBBORN = `trap "" TERM HUP INT; sh -c 'trap "" TERM HUP INT; ${LOOP}' "$0-child" & echo ready; ${LOOP}`;
const daemon = (end: string) =>
  `setsid sh -c 'trap "" TERM HUP INT; echo > daemon; ${LOOP}' "$0-daemon" </dev/null >/dev/null 2>&1 &
   while [ ! -e daemon ]; do sleep 0.05; done; ${end}`;

/** Whether all that has the marker ends; where the table says that it does not, it must be there now. */
async function isGone(boxes: Boxes, protection: Protection, marker: string): Promise<boolean> {
  if (isProtected(protection, boxes.column))
    await until('all of it has ended', () => alive(marker).length === 0);
  const gone = alive(marker).length === 0;
  await killAll(marker);
  return gone;
}

async function endAfter(boxes: Boxes, started: Started): Promise<void> {
  endRun(started.plan.handle, started.pid, 'SIGKILL');
  await started.ended;
  await boxes.finish(started);
}

/** A run under a wish that the column may not be able to keep: refusing is no protection, but no run either. */
function isRefused(boxes: Boxes, wish: Omit<SandboxWish, 'level'>): boolean {
  try {
    agreeOnTerms(boxes.setup.policy, boxes.setup.machine, { level: 'none', ...wish });
    return false;
  } catch {
    return true;
  }
}

const ATTACKS: Readonly<Record<Protection, Attack>> = {
  processGroup: async (boxes, marker) => {
    const started = boxes.start(STUBBORN, marker);
    await until('it runs', () => started.output().includes('ready') && alive(`${marker}-child`).length > 0);
    endRun(started.plan.handle, started.pid, 'SIGTERM');
    expect(alive(`${marker}-child`)).not.toEqual([]);
    await endAfter(boxes, started);
    return isGone(boxes, 'processGroup', marker);
  },

  daemons: async (boxes, marker) => {
    await boxes.run(daemon('exit 0'), marker);
    return isGone(boxes, 'daemons', marker);
  },

  killedDrone: async (boxes, marker) => {
    const folder = boxes.folder('runs/killed', 0o755);
    const { setup, uid } = boxes;
    const terms = agreeOnTerms(setup.policy, setup.machine, { level: 'none' });
    const argv = ['/bin/sh', '-c', daemon(LOOP), marker];
    const scratch = boxes.folder('runs/killed-scratch');
    const inherited = { PATH: process.env['PATH'] ?? '' };
    const order = { run: 'killed', argv, environment: {}, inherited, folder, scratch };
    const drone: DyingDrone = { setup: { ...setup, drone: `${setup.drone}d` }, terms, order, uid };
    boxes.own(boxes.folder('runs/killed-scratch/tmp'));
    const child = spawn(process.execPath, [ENTRY, JSON.stringify(drone)], {
      stdio: 'inherit',
      env: process.env,
    });
    await until('the daemon runs', () => existsSync(join(folder, 'daemon')));
    child.kill('SIGKILL');
    await once(child, 'exit');
    // What stands in the command's group is the business of whoever started it; here it is the daemon that counts.
    const gone = await isGone(boxes, 'killedDrone', `${marker}-daemon`);
    await killAll(marker);
    return gone;
  },

  inheritedEnvironment: async (boxes, marker) => {
    const said = await boxes.run('env', marker, { environment: { ASKED: 'yes' } });
    expect(said).toContain('ASKED=yes');
    return !said.includes(DRONE_SECRET.HIVE_TEST_SECRET);
  },

  environment: async (boxes, marker) => {
    const uid = boxes.uid === process.getuid?.() ? {} : { uid: boxes.uid, gid: boxes.uid };
    const drone = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'], ...DRONE_SECRET }, ...uid });
    await once(drone, 'spawn');
    const said = await boxes.run(
      `unset HIVE_TEST_SECRET; cat /proc/${drone.pid}/environ /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; echo end`,
      marker,
    );
    drone.kill('SIGKILL');
    await once(drone, 'exit');
    expect(said).toContain('end');
    return !said.includes(DRONE_SECRET.HIVE_TEST_SECRET);
  },

  secret: async (boxes, marker) => {
    const file = join(boxes.data, 'secret');
    writeFileSync(file, 'the-secret-itself', { mode: 0o600 });
    boxes.own(file);
    const said = await boxes.run(`cat '${file}' ../../data/secret; echo end`, marker);
    expect(said).toContain('end');
    return !said.includes('the-secret-itself');
  },

  otherFolders: async (boxes, marker) => {
    const file = join(boxes.folder('runs/another', 0o755), 'input');
    writeFileSync(file, 'of another task', { mode: 0o644 });
    boxes.own(file);
    const said = await boxes.run(`cat '${file}' ../another/input; echo end`, marker);
    expect(said).toContain('end');
    return !said.includes('of another task');
  },

  writing: async (boxes, marker) => {
    const outside = boxes.folder('outside', 0o777);
    const said = await boxes.run(
      `mkdir -p '${outside}'; echo x >'${outside}/written'; echo x >own && echo end`,
      marker,
    );
    expect(said).toContain('end');
    return !existsSync(join(outside, 'written'));
  },

  otherProcesses: async (boxes, marker) => {
    const uid = boxes.uid === process.getuid?.() ? {} : { uid: boxes.uid, gid: boxes.uid };
    const other = spawn('sleep', ['1000'], { stdio: 'ignore', ...uid });
    await once(other, 'spawn');
    const ended = once(other, 'exit');
    const said = await boxes.run(`kill -TERM ${other.pid}; echo end`, marker);
    expect(said).toContain('end');
    if (isProtected('otherProcesses', boxes.column)) other.kill('SIGKILL');
    const [, signal] = await ended;
    return signal === 'SIGKILL';
  },

  network: async (boxes, marker) => {
    let connections = 0;
    const server: Server = createServer((socket) => {
      connections++;
      socket.end('reached');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const said = await boxes.run(`/bin/busybox nc 127.0.0.1 ${port} </dev/null; echo end`, marker);
    server.close();
    await once(server, 'close');
    expect(said).toContain('end');
    return connections === 0;
  },

  memoryOfOne: async (boxes, marker) => {
    const said = await boxes.run(
      'echo begun; dd if=/dev/zero of=/dev/null bs=200M count=1 && echo took; echo end',
      marker,
      {
        wish: { memoryBytes: 64 * MiB },
      },
    );
    expect(said).toContain('begun');
    return !said.includes('took');
  },

  memoryOfAll: async (boxes, marker) => {
    // Each dd holds 48 MiB until it may go on; one that was ended or refused meanwhile has not written all of it.
    const one = `dd if=/dev/zero bs=48M count=1 2>/dev/null | {
      head -c 1 >/dev/null; echo >>begun; while [ ! -e go ]; do sleep 0.05; done
      [ "$(wc -c)" -gt 50000000 ] && echo >>whole; echo >>done; } &`;
    const script = `touch begun whole done; for i in 1 2 3 4; do ${one} done
      while [ "$(cat begun | wc -l)" -lt 4 ]; do sleep 0.05; done; touch go
      while [ "$(cat done | wc -l)" -lt 4 ]; do sleep 0.05; done
      [ "$(cat whole | wc -l)" -eq 4 ] && echo took; echo end; ${LOOP}`;
    const started = boxes.start(script, marker, { wish: { memoryBytes: 100 * MiB } });
    await until(
      'all have it, or one has not',
      () =>
        started.output().includes('end') ||
        started.child.exitCode !== null ||
        started.child.signalCode !== null,
    );
    const took = started.output().includes('took');
    await endAfter(boxes, started);
    await killAll(marker);
    return !took;
  },

  processes: async (boxes, marker) => {
    const script = `i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i + 1)); echo $i >count; done; echo all; ${LOOP}`;
    const started = boxes.start(script, marker, { wish: { processes: 20 } });
    const { child } = started;
    await until(
      'it has them all, or it ends',
      () => started.output().includes('all') || child.exitCode !== null,
    );
    const all = started.output().includes('all');
    expect(Number(readFileSync(join(started.plan.handle.folder, 'count'), 'utf8'))).toBeGreaterThan(5);
    await endAfter(boxes, started);
    return !all;
  },

  cpuTime: async (boxes, marker) => {
    const started = boxes.start(`echo run; while :; do :; done`, marker, { wish: { cpuSeconds: 1 } });
    const { child } = started;
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
    if (isProtected('cpuTime', boxes.column)) await until('it is ended', hasEnded);
    else await until('it has had two seconds', () => cpuTicks(marker) > 200);
    const wasEnded = hasEnded();
    expect(started.output()).toContain('run');
    await endAfter(boxes, started);
    return wasEnded;
  },

  cpuShare: async (boxes, marker) => {
    const wish = { cpus: 0.1 };
    if (isRefused(boxes, wish)) return false;
    const started = boxes.start(`echo run; while :; do :; done`, marker, { wish });
    if (isProtected('cpuShare', boxes.column))
      await until('it is held back', () => alive(marker).some(isThrottled));
    else await until('it runs', () => alive(marker).length > 0);
    const isHeld = alive(marker).some(isThrottled);
    await endAfter(boxes, started);
    return isHeld;
  },

  fileSize: async (boxes, marker) => {
    const folder = boxes.folder('runs/large', 0o700);
    await boxes.run('dd if=/dev/zero of=large bs=65536 count=64; echo end', marker, {
      folder,
      wish: { fileBytes: MiB },
    });
    const { size } = statSync(join(folder, 'large'));
    expect(size).toBeGreaterThanOrEqual(MiB);
    return size === MiB;
  },

  disk: async (boxes, marker) => {
    const script = `i=0; while [ $i -lt 32 ]; do dd if=/dev/zero of=f$i bs=262144 count=1 2>/dev/null; i=$((i + 1)); done; echo all; ${LOOP}`;
    const started = boxes.start(script, marker, { wish: { diskBytes: 4 * MiB } });
    let isFull = false;
    const stop = watchDisk(started.plan.handle, () => {
      isFull = true;
    });
    await until('it has written all', () => isFull || started.output().includes('all'));
    if (isProtected('disk', boxes.column)) await until('somebody has noticed', () => isFull);
    stop();
    await endAfter(boxes, started);
    return isFull;
  },
};

/** Processor time of what has the marker, in hundredths of a second. */
function cpuTicks(marker: string): number {
  const ticks = alive(marker).map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0);
}

/** Whether the kernel has held a process back because its cgroup had its share. */
function isThrottled(pid: number): boolean {
  try {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
    const path =
      (
        lines.find((line) => /:cpu(,cpuacct)?:/.test(line)) ?? lines.find((line) => line.startsWith('0::'))
      )?.split(':')[2] ?? '';
    return ['', '/cpu', '/cpu,cpuacct'].some((mount) => {
      const file = `/sys/fs/cgroup${mount}${path}/cpu.stat`;
      return (
        existsSync(file) && Number(/^nr_throttled (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) > 0
      );
    });
  } catch {
    return false;
  }
}

describe.each(COLUMNS)('in the column %s', (column) => {
  const boxes = columns.open(column);
  const check = boxes === null ? test.skip : test;
  const names = Object.keys(PROTECTIONS) as Protection[];
  check.each(names.map((name) => [name, isProtected(name, column) ? 'held' : 'not held'] as const))(
    '%s: is %s',
    async (name) => {
      const marker = newMarker();
      try {
        expect({ held: await ATTACKS[name](boxes!, marker) }).toEqual({ held: isProtected(name, column) });
      } finally {
        await killAll(marker);
      }
    },
    180_000,
  );
});
