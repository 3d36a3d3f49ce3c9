/** The bare ways of starting `/bin/true`, two at a time: what the cluster is measured against. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Measure {
  readonly what: string;
  /** Commands per second. */
  perSecond(): Promise<number>;
}
/** A way that this machine does not have, and why. */
export interface Missing {
  readonly what: string;
  readonly reason: string;
}
export const isMissing = (measure: Measure | Missing): measure is Missing => 'reason' in measure;

const AT_A_TIME = 2;
const SOURCE = `#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
  int each = atoi(argv[1]) / ${AT_A_TIME};
  for (int k = 0; k < ${AT_A_TIME}; k++) {
    if (fork() != 0) continue;
    char *command[] = { argv[2], 0 };
    for (int i = 0; i < each; i++) {
      pid_t pid;
      int status;
      if (posix_spawn(&pid, command[0], 0, 0, command, environ) != 0) _exit(1);
      if (waitpid(pid, &status, 0) != pid || status != 0) _exit(1);
    }
    _exit(0);
  }
  int status, failed = 0;
  for (int k = 0; k < ${AT_A_TIME}; k++) if (wait(&status) < 0 || status != 0) failed = 1;
  return failed;
}
`;

/** Compiled with the system's C compiler, if it has one. The function that is returned with it removes it again. */
export function spawnLoopInC(program: string, tasks: number): (Measure | Missing) & Disposable {
  const what = `a C loop over posix_spawn and waitpid in ${AT_A_TIME} processes, output not captured`;
  const folder = mkdtempSync(join(tmpdir(), 'hive-bench-'));
  const dispose = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const source = join(folder, 'loop.c');
  const binary = join(folder, 'loop');
  writeFileSync(source, SOURCE);
  const { status, error } = spawnSync('cc', ['-O2', '-o', binary, source], { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    return { what, reason: 'there is no C compiler "cc" here', ...dispose };
  }
  return { what, perSecond: () => timed(tasks, binary, [String(tasks), program]), ...dispose };
}

/** Two chains of Node's own spawn, output captured through pipes as it does by default. */
export function spawnLoopInNode(program: string, tasks: number): Measure {
  const what = `a loop over Node's spawn, ${AT_A_TIME} at a time, output captured in pipes`;
  return {
    what,
    async perSecond() {
      const start = performance.now();
      let left = tasks;
      const chain = async () => {
        while (left-- > 0) await captured(program);
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, chain));
      return (tasks / (performance.now() - start)) * 1_000;
    },
  };
}

/** GNU parallel itself, as `parallel -j2`. */
export function gnuParallel(program: string, tasks: number): Measure | Missing {
  const what = `GNU parallel -j${AT_A_TIME}`;
  const { error, stdout } = spawnSync('parallel', ['--version'], { encoding: 'utf8' });
  if (error !== undefined || !stdout.startsWith('GNU parallel')) {
    return { what, reason: 'GNU parallel is not installed' };
  }
  const input = Array.from({ length: tasks }, (_, i) => `${i}\n`).join('');
  const args = [`-j${AT_A_TIME}`, '-n1', `${program} #`];
  return { what, perSecond: () => timed(tasks, 'parallel', args, input) };
}

function captured(program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.stdout.resume();
    child.stderr.resume();
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`)),
    );
  });
}

function timed(tasks: number, file: string, args: readonly string[], input = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve((tasks / (performance.now() - start)) * 1_000);
      else reject(new Error(`${file} ended with ${code}`));
    });
  });
}
