/**
 * What the built-in operators make of what tasks give, as types: `count` gives a number, whatever the tasks give, `top` a list of
 * their values. Where the task is not known (a kind, a file) it is what can be known without it.
 *
 * A task that ends its job with `context.finish(value)` gives the job that value instead, of which types know nothing.
 */

import type { ReducerFile } from './functions/reducer.ts';
import type { SentAs, Task } from './functions/task.ts';
import type { KindOutputs } from './kind-outputs.ts';
import type { ReduceWith } from './options.ts';

/** How results are folded without a function: by name, or as a map. */
export type BuiltInReduce = Exclude<ReduceWith, ReducerFile>;

/** What the tasks of a target give, if that is known. */
export type GivenBy<K> =
  K extends Task<never, infer Out> ? Awaited<Out> : K extends keyof KindOutputs ? KindOutputs[K] : unknown;
/** What may be sent to them. */
export type InputFor<K> = K extends Task<infer In, unknown> ? SentAs<In> : unknown;

/** The value of a job whose tasks give `Out`, folded by `R`. */
export type Reduced<Out, R> = R extends { readonly op: infer Op } ? ReducedBy<Out, Op> : ReducedBy<Out, R>;

type ReducedBy<Out, Op> = Op extends 'count'
  ? number
  : Op extends 'sum'
    ? number | bigint
    : Op extends 'min' | 'max'
      ? // Of no tasks there is none.
        Out | undefined
      : Op extends 'top'
        ? Out[]
        : Op extends 'concat' | 'merge'
          ? Joined<Out>
          : unknown;

/** Lists become one list. Texts and bytes, one text and one run of bytes; of no tasks, it is a list without entries. */
type Joined<Out> = unknown extends Out
  ? unknown
  : Out extends readonly (infer Entry)[]
    ? Entry[]
    : Out extends string
      ? string | []
      : Out extends Uint8Array
        ? Uint8Array | []
        : never;
