/**
 * Carries out a plan: makes what a run needs, and clears up after it. Whoever starts the process (a command's launcher, a
 * function's slot) calls, in this order: `openRun`, [start the process], [the process has ended], `closeRunNow`. Ending it
 * meanwhile is the main thread's business (`slots/group-ender.ts`): it kills the group, and `closeRunNow` what is left.
 *
 * All of it is synchronous, for slots' threads, and may be called from any thread or process.
 */
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isUnder } from './bwrap.ts';
import { cgroupVerdict, killMembers, makeRunCgroups, removeRunCgroups } from './cgroups.ts';
import { removeArgv } from './docker.ts';
import { planRun, type RunHandle, type RunOrder, type RunPlan, type SandboxSetup } from './plan.ts';
import type { SandboxTerms } from './policy.ts';

/** How often what should be gone is looked for, and how long: killed processes take a moment to leave. */
const LOOK_MILLIS = 10;
const LOOKS_MAX = 1_000;
const DOCKER_MILLIS = 60_000;

/**
 * Plans a run and makes its folders, files and cgroups. Both folders must exist.
 * @throws UsageError when it may not run there, an Error of the system when something cannot be made
 */
export function openRun(setup: SandboxSetup, terms: SandboxTerms, order: RunOrder): RunPlan {
  const { policy } = setup;
  const hidden = policy.hidden.filter((path) => existsSync(path)).map((path) => realpathSync(path));
  const runs = realpathSync(setup.runs);
  const real: SandboxSetup = { ...setup, policy: { ...policy, hidden }, runs };
  const plan = planRun(real, terms, {
    ...order,
    folder: realpathSync(order.folder),
    scratch: realpathSync(order.scratch),
  });
  const { tmp, folder, cgroups } = plan.handle;
  mkdirSync(tmp, { mode: 0o700, recursive: true });
  for (const { path, text } of plan.files) writeFileSync(path, text, { mode: 0o600 });
  if (plan.owner !== null) {
    chownSync(tmp, plan.owner.uid, plan.owner.gid);
    // A folder of the submitter's choice stays whose it is.
    if (isUnder(folder, [runs])) giveTo(plan.owner, folder);
  }
  if (cgroups !== null) makeRunCgroups(cgroups);
  return plan;
}

/** Links are given, not followed: one could lead anywhere. */
function giveTo(owner: { readonly uid: number; readonly gid: number }, path: string): void {
  lchownSync(path, owner.uid, owner.gid);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) giveTo(owner, inner);
    else lchownSync(inner, owner.uid, owner.gid);
  }
}

/**
 * The bwrap outside would end on SIGTERM and take the rest with it, at once: only what it runs is asked. One that runs
 * nothing yet may end.
 */
export function askInside(pid: number): void {
  const inside = insideOf(pid);
  for (const inner of inside.length > 0 ? inside : [-pid]) ask(inner);
}

/** The descendants of a bwrap, but for process 1 of its namespace. */
function insideOf(bwrap: number): number[] {
  return childrenOf(bwrap).flatMap((first) => descendants(first));
}
function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}
function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const texts = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return texts.join(' ').split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Why a run was cut short, if its sandbox did it. For the text of an outcome. */
export function runVerdict({ cgroups }: RunHandle): 'memory' | 'processes' | null {
  return cgroups === null ? null : cgroupVerdict(cgroups);
}

/**
 * After the process has ended: what it left running is ended, its cgroups and container are removed. The scratch folder is
 * the caller's. For a thread that waits for its runs and has no event loop meanwhile.
 * @param isContainerGone its `docker run` has seen the container's end
 */
export function closeRunNow({ cgroups, container }: RunHandle, isContainerGone: boolean): void {
  if (container !== null && !isContainerGone) {
    const { engine, name } = container;
    const [program = '', ...args] = removeArgv(engine, name);
    spawnSync(program, args, { env: engine.env, timeout: DOCKER_MILLIS, stdio: 'ignore' });
  }
  for (let look = 0; cgroups !== null && look < LOOKS_MAX; look++) {
    killMembers(cgroups);
    if (removeRunCgroups(cgroups)) return;
    Atomics.wait(nobody, 0, 0, LOOK_MILLIS);
  }
}
const nobody = new Int32Array(new SharedArrayBuffer(4));

function ask(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // Already gone.
  }
}
