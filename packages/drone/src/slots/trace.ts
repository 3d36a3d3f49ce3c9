/** What slots are told and say, in words for `DEBUG=hive:drone:slot`. */
import type { AgentEvent, SlotEffect } from '../agent/events.ts';

export function describeOrder(effect: SlotEffect): string {
  const { type, run } = effect;
  if (type !== 'startLease') return `${type} of run ${run}`;
  const { end, spec, job, data } = effect;
  return `startLease as run ${run}: ${end} tasks of ${spec.kind}, job ${job}, ${data.length} bytes of inputs`;
}

export function describeEvent(event: Extract<AgentEvent, { readonly slot: number }>): string {
  switch (event.type) {
    case 'slotReported': {
      const { run, at, count, failures, busyMicros, ended } = event;
      const how = `${failures.length} of them failed, ${busyMicros} µs${ended ? ', the end' : ''}`;
      return `run ${run} reports ${count} tasks from position ${at}, ${how}`;
    }
    case 'slotRetracted':
      return `run ${event.run} ends at position ${event.end}`;
    case 'slotDied':
      return `its thread died: ${event.message}`;
    default:
      return event.type;
  }
}
