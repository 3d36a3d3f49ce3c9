/** `hive drain DRONE`: before a machine is taken away; what runs there may finish, nothing new comes. */
import type { CommandModule } from 'yargs';
import { plural } from '../format.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments } from '../options.ts';
import { print } from '../print.ts';

interface DrainArguments extends ViewArguments {
  readonly drone: string;
  readonly resume: boolean;
}

export const drainCommand: CommandModule<object, DrainArguments> = {
  command: 'drain <drone>',
  describe: 'Give a Drone no more work, or (--resume) work again',
  builder: (yargs) =>
    yargs
      .positional('drone', {
        type: 'string',
        demandOption: true,
        describe: 'Its name, or its id if others have it too',
      })
      .options({
        ...CLIENT_OPTIONS,
        ...JSON_OPTION,
        resume: { type: 'boolean', default: false, describe: 'Give it work again' },
      })
      .example('$0 drain worker-3', 'What it runs may finish; the rest of its work goes to others')
      .example('$0 drain --resume worker-3', 'It works again') as never,
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive drain');
    const drone = await (argv.resume ? hive.resume(argv.drone) : hive.drain(argv.drone));
    const left =
      drone.leases === 0 ? 'it has nothing left to do' : `${plural(drone.leases, 'lease')} to finish`;
    print(argv, drone, () =>
      drone.draining ? `${drone.name} gets no more work; ${left}.` : `${drone.name} gets work again.`,
    );
  },
};
