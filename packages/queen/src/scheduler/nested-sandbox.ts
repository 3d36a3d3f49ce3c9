/**
 * What a task whose job asks for a sandbox may submit. The Drone that runs it sees to that, too (drone/src/functions/box-hive.ts);
 * here it holds whatever is said with the token of the lease.
 *
 * Invariant: code that comes from within a sandbox runs in the same one. It is a function or reducer of the job's own module, or a
 * command; what the operators of Drones have registered, and the kinds that run no code of clients, are not held back.
 */
import { readSandboxWish, type Spec } from '@hive/shared';
import { canonical } from './job.ts';

/** Why a task of a job with the spec `own` may not submit this; null when it may. */
export function escapeProblem(own: Spec, child: Spec): string | null {
  const wish = wishOf(own);
  if (wish === null) return null;
  const modules = [moduleOf(child), child.reduce?.module].filter((module) => module !== undefined);
  const other = modules.find((module) => module !== moduleOf(own));
  if (other !== undefined) {
    return 'A task in a sandbox submits functions and reducers of its own module only: export from its file what it shall submit.';
  }
  const runsCode = modules.length > 0 || child.kind === 'command';
  if (!runsCode || wishOf(child) === wish) return null;
  return 'What a task in a sandbox submits runs in the same one: give its job the "sandbox" that its own has.';
}

/** The module of a job's functions. Whatever stands there is one: who reads it decides what it makes of it. */
const moduleOf = ({ kind, params }: Spec): unknown =>
  kind === 'function' ? (params?.['module'] as unknown) : undefined;

/** One text for wishes that are the same; null: none. */
function wishOf({ params }: Spec): string | null {
  const value = params?.['sandbox'];
  try {
    const wish = readSandboxWish(value);
    return wish.level === 'none' ? null : canonical(wish);
  } catch {
    // Its tasks fail wherever they run.
    return canonical({ unreadable: value });
  }
}
