/** A Drone as a process of its own, started by `startProcesses`. */
import { serveParent } from './child.ts';
import { joinQueen } from './drone.ts';
import type { DroneConfig } from './ipc.ts';

serveParent<DroneConfig, null>(async (config) => {
  const drone = await joinQueen(config);
  void drone.closed.then(({ how }) => {
    if (how === 'orphaned' || how === 'rejected') process.exit(1);
  });
  return { ready: null, stop: async () => void (await drone.stop({ drain: false })) };
});
