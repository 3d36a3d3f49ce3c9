/** A command that follows a job of its own: Ctrl-C cancels the job, and a lost Queen or a reader who is gone is dealt with. */
import type { Hive } from '@hive/client';
import { onInterrupt, type Signal } from './interrupt.ts';
import { noteLostQueen } from './lost-queen.ts';
import { leaveWithReader } from './reader-gone.ts';

/** Resolves when `act` is over, with the signal of the person who has cancelled it, if somebody did. */
export async function whileCancellable(
  hive: Hive,
  note: (text: string) => void,
  act: (cancelled: AbortSignal) => Promise<void>,
): Promise<Signal | null> {
  const abort = new AbortController();
  let interruptedBy: Signal | null = null;
  using _signals = onInterrupt((signal) => {
    interruptedBy = signal;
    note('cancelling; press Ctrl-C again to leave at once');
    abort.abort();
  });
  using _lost = noteLostQueen(hive, note);
  using _reader = leaveWithReader(hive);
  try {
    await act(abort.signal);
  } catch (error) {
    if (error !== abort.signal.reason) throw error;
  }
  return interruptedBy;
}
