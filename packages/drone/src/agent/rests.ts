/**
 * Tasks that wait for what they have submitted give their slots away, and get one back before they run on (ADR 21). So a Drone
 * has more threads than slots at times, and never runs more than its slots.
 */
import type { AgentEvent } from './events.ts';
import type { Place, Places } from './places.ts';
import type { Turn } from './queens.ts';

/** What a task is told that cannot give its slot away. */
const TOO_MANY = 'Too many tasks of this Drone wait for others already; this one is tried again later.';

/** The task at this place waits, or would run on. True when its slot is free for others now. */
export function rest(
  turn: Turn,
  places: Places,
  place: Place,
  { slot, run, waits }: Extract<AgentEvent, { type: 'slotWaits' }>,
): boolean {
  if (!waits) {
    places.askBack(place);
    return false;
  }
  if (place.away !== 'no') return false;
  const opened = places.leave(place);
  if (opened === null) {
    turn.effects.push({ type: 'goOn', slot, run, problem: TOO_MANY });
    return false;
  }
  for (const spare of opened) turn.effects.push({ type: 'openSlot', slot: spare });
  return true;
}

/** After every event: lets those run on that have waited, as far as there are slots. */
export function letGoOn(turn: Turn, places: Places): void {
  if (!places.isAwaited) return;
  for (const { running } of places.comeBack()) {
    if (running?.stage.at !== 'running') continue;
    const { slot, run } = running.stage;
    turn.effects.push({ type: 'goOn', slot, run, problem: null });
  }
}
