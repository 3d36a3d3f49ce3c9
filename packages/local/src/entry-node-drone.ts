/** The Drone of a node, as a process of its own: works for all the Queens that its node tells it of. */
import { startDrone } from '@hive/drone';
import type { Address } from '@hive/shared/node';
import { serveParent } from './child.ts';
import type { FromNodeDrone, NodeDroneConfig, ToNodeDrone } from './ipc.ts';

/** How often it looks whether it has more or less to do than it said. */
const BUSY_MILLIS = 200;

serveParent<NodeDroneConfig, null>(async ({ queens: first, ...options }, say) => {
  let queens: readonly Address[] = first;
  let busySlots = -1;
  const tell = (words: FromNodeDrone) => say(words);
  const drone = startDrone({
    ...options,
    queens: () => queens,
    onEvent: (event) => {
      if (event.type !== 'stopped' && event.type !== 'connecting') tell({ type: 'event', event });
    },
  });
  const timer = setInterval(() => {
    if (drone.busySlots === busySlots) return;
    busySlots = drone.busySlots;
    tell({ type: 'busy', busySlots, slots: drone.slots });
  }, BUSY_MILLIS);
  void drone.closed.then((end) => {
    clearInterval(timer);
    process.exit('error' in end ? 1 : 0);
  });
  return {
    ready: null,
    told(words) {
      const told = words as ToNodeDrone;
      if (told.type === 'drain') void drone.stop({ drain: true });
      else {
        queens = told.queens;
        drone.lookAgain();
      }
    },
    stop: async () => void (await drone.stop({ drain: false })),
  };
});
