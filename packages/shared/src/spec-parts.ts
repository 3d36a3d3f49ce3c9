/** Parts of a job's spec that have fields of their own; the spec is in messages.ts, with all that travels. */
import {
  between,
  hex,
  int,
  jobIdField as job,
  name,
  number,
  oneOf,
  optional,
  struct,
  u53,
} from './fields.ts';
import { LIMITS } from './limits.ts';

/** Input values that are computed where they are used: task i has the value start + i x step. */
export const inputRange = struct('InputRange', { start: int, step: int, count: u53 });
/** Another job that must have ended before this one starts. */
export const after = struct('After', { job, on: oneOf('success', 'end') });
/** When a job stops for good: at so many failed tasks, or at such a share of its tasks. */
export const haltOn = struct('HaltOn', { failures: optional(u53), share: optional(number) });
/** How the results of a job are folded into one value. */
export const reduce = struct('Reduce', {
  op: oneOf('concat', 'sum', 'count', 'min', 'max', 'top', 'merge', 'function'),
  k: optional(between(1, LIMITS.topMax)),
  by: optional(name),
  module: optional(hex(64)),
  name: optional(name),
  export: optional(name),
  file: optional(name),
});
