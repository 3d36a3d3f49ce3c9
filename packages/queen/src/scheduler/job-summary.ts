/** A job as its Queen tells of it, to people and to other nodes. Reading only. */
import type { Plain } from '@hive/shared';
import type { Job } from './job.ts';
import { paramsBytes, TOLD_PARAMS_BYTES_MAX } from './params.ts';
import type { State } from './state.ts';

type Body = { readonly [key: string]: Plain | undefined };

export function summaryOf(state: State, job: Job): Body {
  return {
    id: job.id,
    name: job.label,
    kind: job.kind,
    encoding: job.spec.encoding,
    ...(job.spec.reduce === undefined ? {} : { reduce: { ...job.spec.reduce } }),
    state: job.state,
    counts: { ...job.counts },
    sealed: job.isSealed,
    attached: job.isAttached,
    priority: job.priority,
    node: state.identity.queen,
    nodeEpoch: job.nodeEpoch,
    ...(job.spec.parent === undefined ? {} : { parent: job.spec.parent }),
    createdAt: state.identity.formatTime(job.submittedAt),
    ...(job.endedAt === null ? {} : { endedAt: state.identity.formatTime(job.endedAt) }),
    elapsedMillis: Math.round((job.endedAt ?? state.now) - job.submittedAt),
    ...(job.message === null ? {} : { message: job.message }),
    ...(Object.keys(job.labels).length === 0 ? {} : { labels: { ...job.labels } }),
    ...toldParams(job),
  };
}

function toldParams({ spec: { params } }: Job): Body {
  return params === undefined || paramsBytes(params) > TOLD_PARAMS_BYTES_MAX ? {} : { params };
}
