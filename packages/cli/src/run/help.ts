/** `hive run --help`: the few options that most need, and where the others are. */
import { OPTIONS } from './options/option-table.ts';

export function helpText(): string {
  const count = (standing: string) => OPTIONS.filter((option) => option.standing === standing).length;
  return `hive run [options] [command [arguments]] < list_of_values
hive run [options] [command [arguments]] (::: values | :::: files)...
... | hive run --pipe [options] command

Runs a command for every value, as GNU parallel does, on every slot of the Drones of this machine, or of any with --anywhere.

  --local              Start a Queen and a Drone here, for the length of the run
  --anywhere           On any Drone, each command in a fresh folder, without your environment
  --sandbox LEVEL      What commands are shut in: limits, bwrap or docker; --sandbox-memory 1G and the like
  --queen HOST:PORT, --data DIR, --insecure   Which Queen

  -j N                 At most N at a time (N, +N, -N, N%; 0: as many as there are slots)
  -k                   Output in the order of the input
  -a FILE, ::: ::::    Values from a file, from the command line, from files
  -d C, -0, -C REGEX   What ends a value, and what separates its columns
  -N N, -n N, -X, -m   Several values to a command
  {} {.} {/} {//} {/.} {#} {%} {2} {2.}   The value, and what is made of it
  --dry-run            Print the commands, run nothing
  --tag, --lb, -u      Output with its value, by line, or as it comes
  --halt now,fail=1    Stop early
  --retries N, --timeout SECONDS, --delay SECONDS
  --joblog FILE, --resume, --resume-failed, --retry-failed
  --results DIR        Keep output in files
  --pipe, --block SIZE, --recend TEXT   Blocks of standard input to commands
  --bar, --eta, --progress

Examples:
  hive run gzip -k {} ::: *.log
  find . -name '*.png' | hive run convert {} {.}.jpg
  hive run --pipe --block 10M grep -c pattern < big.txt

Of GNU parallel's ${OPTIONS.length} options, ${count('same')} do the same, ${count('differs')} differ a little, and ${count('refused')} are refused by name:
docs/guide/parallel.md lists them all. The commands themselves are read by your shell.
`;
}
