/** Drones: who they are, and taking one out of work. */
import type { DroneInfo } from '@hive/client';
import { UsageError } from '@hive/shared';
import type { Static } from '@sinclair/typebox';
import { Problem } from '../problem.ts';
import { Drained, type Drone, DroneParams, Drones } from '../schemas.ts';
import { type App, type Context, PREFIX } from './context.ts';

const TAGS = ['drones'];
const DRONES_MAX = 1_000;

export function addDroneRoutes(app: App, _context: Context): void {
  app.get(
    `${PREFIX}/drones`,
    {
      schema: { response: { 200: Drones } },
      config: {
        described: {
          operationId: 'drones',
          summary: 'The Drones, in the order in which they joined',
          tags: TAGS,
        },
      },
    },
    async ({ caller }) => {
      const drones = await (await caller.session.hive()).drones({ limit: DRONES_MAX });
      return { drones: drones.map(droneBody) };
    },
  );
  for (const action of ['drain', 'resume'] as const) {
    app.post<{ Params: Static<typeof DroneParams> }>(
      `${PREFIX}/drones/:id/${action}`,
      {
        schema: { params: DroneParams, response: { 200: Drained } },
        config: {
          described: {
            operationId: `${action}Drone`,
            summary: action === 'drain' ? 'Give a Drone no more work' : 'Give a drained Drone work again',
            tags: TAGS,
          },
        },
      },
      async ({ caller, params }) => {
        const hive = await caller.session.hive();
        try {
          const { drone, name, draining, leases } = await hive[action](params.id);
          return { id: drone, name, draining, leases };
        } catch (error) {
          throw unknownDrone(error);
        }
      },
    );
  }
}

/** Of what the Queen refuses here, only the name can be wrong. */
function unknownDrone(error: unknown): unknown {
  if (!(error instanceof UsageError) || !['badSpec', 'badInput', 'unknownJob'].includes(error.code))
    return error;
  return new Problem(404, 'unknown_drone', error.message);
}

function droneBody(drone: DroneInfo): Static<typeof Drone> {
  const {
    id,
    name,
    address,
    state,
    slots,
    busySlots,
    kinds,
    labels,
    connectedMillis,
    tasksDone,
    tasksPerSecond,
  } = drone;
  return {
    id,
    name,
    address,
    state,
    slots,
    busy_slots: busySlots,
    kinds: [...kinds],
    labels: { ...labels },
    connected_seconds: connectedMillis / 1000,
    tasks_done: tasksDone,
    tasks_per_second: tasksPerSecond,
  };
}
