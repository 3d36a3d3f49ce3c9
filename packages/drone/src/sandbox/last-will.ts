/**
 * What ends a Drone's runs when the Drone itself was killed and can end nothing any more: a small shell that reads from a pipe
 * whose other end only the Drone holds. When that ends, however it comes, the shell kills all cgroups of this Drone and removes
 * all of its containers. It is told nothing about single runs, so it cannot be told too late.
 *
 * Runs without a cgroup or container are not reached by it: their process groups are the business of whoever started them,
 * and bwrap dies with its parent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Cgroups, cgroupPaths } from './cgroups.ts';
import { type DockerEngine, listArgv } from './docker.ts';
import { SHELL } from './machine.ts';
import type { SandboxSetup } from './plan.ts';

export class LastWill {
  readonly #shell: ChildProcess | null;
  readonly #ended: Promise<unknown>;

  /** Starts nothing where there is nothing that it could do. */
  constructor({ drone, machine: { cgroups, docker } }: Pick<SandboxSetup, 'drone' | 'machine'>) {
    const engine = docker.isThere ? docker.engine : null;
    if (cgroups === null && engine === null) {
      this.#shell = null;
      this.#ended = Promise.resolve();
      return;
    }
    const script = [
      'trap "" HUP INT TERM',
      'looks=3',
      'while read -r _; do looks=1; done',
      ...(cgroups === null ? [] : cgroupLines(cgroups)),
      ...(engine === null ? [] : containerLines(engine, drone)),
    ];
    this.#shell = spawn(SHELL, ['-c', script.join('\n')], {
      stdio: ['pipe', 'ignore', 'ignore'],
      // Ctrl-C goes to the Drone's group.
      detached: true,
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', ...engine?.env },
    });
    this.#ended = once(this.#shell, 'exit').catch(() => {});
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
    this.#shell.unref();
  }

  /** The Drone ends as it should; what is left of its runs is cleared up now. Resolves when that is done. */
  async close(): Promise<void> {
    // It did not keep this process from ending so far; waiting for it does.
    this.#shell?.ref();
    this.#shell?.stdin?.end('goodbye\n');
    await this.#ended;
  }
}

function cgroupLines(cgroups: Cgroups): string[] {
  const quoted = cgroupPaths(cgroups).map(quote).join(' ');
  const kill = cgroups.kill === null ? [] : [`echo 1 >${quote(cgroups.kill)}/cgroup.kill`];
  return [
    ...kill,
    // Without cgroup.kill: no new processes, then those that are there, until there are none. 1,000 rounds at most.
    `for folder in ${quoted}; do for file in "$folder"/*/pids.max; do [ -e "$file" ] && echo 0 >"$file"; done; done`,
    'round=0',
    'while [ $round -lt 1000 ]; do',
    '  round=$((round + 1)); left=',
    `  for folder in ${quoted}; do for run in "$folder"/*/; do`,
    '    [ -d "$run" ] || continue',
    '    while read -r pid; do kill -9 "$pid"; done <"$run/cgroup.procs"',
    '    rmdir "$run" || left=yes',
    '  done; done',
    '  [ -z "$left" ] && break',
    '  sleep 0.01 || sleep 1',
    'done',
    `rmdir ${quoted}`,
  ];
}

function containerLines(engine: DockerEngine, drone: string): string[] {
  const list = listArgv(engine, drone).map(quote).join(' ');
  // A request of the killed Drone may still be on its way to the engine, so it looks more than once.
  return [
    'round=0',
    'while [ $round -lt $looks ]; do',
    `  for container in $(${list}); do ${quote(engine.path)} rm --force "$container"; done`,
    '  round=$((round + 1)); [ $round -lt $looks ] && sleep 1',
    'done',
  ];
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
