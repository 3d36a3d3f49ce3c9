/** A job of a function that was given no name is called after its task, so that a list of jobs tells them apart. */
import { LIMITS } from '@hive/shared';

interface Nameable {
  readonly name?: string;
  readonly params?: { readonly [name: string]: unknown };
}

/** With a name: `resize.task.ts`, `many.task.ts#square`, or that of a registered task. */
export function named<T extends Nameable>(options: T): T {
  if (options.name !== undefined) return options;
  const { file, export: exported, name: registered } = options.params ?? {};
  const isNamed = typeof exported === 'string' && exported !== 'default';
  const own = isNamed ? `${String(file)}#${exported}` : (file ?? registered);
  return typeof own === 'string' ? { ...options, name: own.slice(0, LIMITS.nameMax) } : options;
}
