/**
 * Every option that GNU parallel 20221122 has, and what `hive run` does with it. The parser takes names and values from
 * here, a refusal its sentence, and docs/guide/parallel.md its tables, so none of them can say something else.
 *
 * Source: `man parallel` and the option list of the program itself (names, aliases, kinds of values).
 */

/** `attached`: a value only behind "=". `maybe`: a value only if one is attached or what follows does not look like an option. */
export type Takes = 'nothing' | 'text' | 'integer' | 'maybeText' | 'maybeNumber' | 'attachedText';

/**
 * - `same`: what it does, compared in tests or simple enough to be read
 * - `differs`: accepted; `note` says what is different
 * - `missing`: not there yet; read with --dry-run, else refused; `note` says what is planned
 * - `refused`: an error; `note` says why or what to use instead, as a sentence that goes on after "… is not supported: "
 * - `own`: not GNU parallel's but ours
 */
export type Standing = 'same' | 'differs' | 'refused' | 'own';

export interface OptionEntry {
  /** The first one is the option's name here; all of them are understood. */
  readonly names: readonly [string, ...string[]];
  readonly takes: Takes;
  /** Whether giving it again adds to what was given. */
  readonly isList: boolean;
  readonly standing: Standing;
  readonly note: string;
}

const VALUE_SIGNS: Readonly<Record<string, { takes: Takes; isList: boolean }>> = {
  '': { takes: 'nothing', isList: false },
  '=': { takes: 'text', isList: false },
  '=…': { takes: 'text', isList: true },
  '=n': { takes: 'integer', isList: false },
  '?': { takes: 'maybeText', isList: false },
  '?n': { takes: 'maybeNumber', isList: false },
  '=?': { takes: 'attachedText', isList: false },
  '…': { takes: 'nothing', isList: true },
};

/** `names|of it=`: `=` a text, `=…` a text each time, `=n` an integer, `?` maybe a text, `…` may be given again. */
function entriesOf(standing: Standing, lines: readonly (readonly [spec: string, note: string] | string)[]) {
  return lines.map((line): OptionEntry => {
    const [spec, note] = typeof line === 'string' ? [line, ''] : line;
    const [, names, sign] = /^([^=?…]+)(.*)$/.exec(spec)!;
    const [first, ...others] = names!.split('|');
    return { names: [first!, ...others], ...VALUE_SIGNS[sign!]!, standing, note };
  });
}

const SAME = entriesOf('same', [
  'null|0',
  'arg-file|argfile|a=…',
  'arg-file-sep|argfilesep=',
  'arg-sep|argsep=',
  'block-size|blocksize|block=',
  'basenamereplace|bnr=',
  'basenameextensionreplace|bner=',
  'col-sep|colsep|C=',
  'delay=',
  'delimiter|d=',
  'dirnamereplace|dnr=',
  'dry-run|dryrun|dr',
  'E=',
  'eof|e?',
  'exit|x',
  'extensionreplace|er=',
  'gnu',
  'group',
  'halt-on-error|haltonerror|halt=',
  'header=',
  'I=',
  'joblog|jl=',
  'keep-order|keeporder|k',
  'L=',
  'line-buffer|line-buffered|linebuffer|linebuffered|lb',
  'link|xapply',
  'm',
  'max-args|maxargs|n=',
  'max-chars|maxchars|s=',
  'max-lines|maxlines|l?n',
  'max-replace-args|maxreplaceargs|N=',
  'no-keep-order|nokeeporder|nok|no-k',
  'no-run-if-empty|norunifempty|r',
  'pipe|spreadstdin',
  'plain',
  'process-slot-var|processslotvar=',
  'profile|J=…',
  'quote|q',
  'recend=',
  'recstart=',
  'remove-rec-sep|removerecsep|rrs',
  'replace|i?',
  'resume',
  'resume-failed|resumefailed',
  'retry-failed|retryfailed',
  'seqreplace=',
  'silent',
  'skip-first-line|skipfirstline',
  'slotreplace=',
  'tag',
  'tag-string|tagstring=',
  'total-jobs|totaljobs|total=',
  'trim=',
  'ungroup|u',
  'v…',
  'verbose|t',
  'will-cite|willcite|nn|nonotice|no-notice',
  'X',
  'xargs',
]);

const PERL_PART = 'of Perl there are s///, tr///, uc, lc, seq(), slot(), total_jobs() and uq()';

const FILES =
  'there is no --sshlogin: commands then run on any Drone, each in a fresh folder of its own where its files are; absolute paths need a /./ in them';
const DIFFERS = entriesOf('differs', [
  ['bar', 'one line for all Drones together, with another look'],
  ['basefile|bf=…', `${FILES}; each command has copies of its own`],
  [
    'cleanup',
    'a fresh folder goes in any case; with --wd, what was transferred and brought back is removed from there',
  ],
  ['return=…', `${FILES}; modes and times are kept`],
  ['transfer', `${FILES}; modes and times are kept`],
  ['transfer-file|transferfile|transfer-files|transferfiles|tf=…', `${FILES}; modes and times are kept`],
  ['trc=…', `${FILES}; modes and times are kept`],
  ['env=…', 'on your own host a command has your whole environment already'],
  ['eta', 'one line for all Drones together, with another look'],
  ['help|h', 'prints a summary of its own'],
  [
    'jobs|j|max-procs|maxprocs|P=',
    'counts slots of all Drones together, of which there cannot be used more than there are; the name of a file is refused',
  ],
  ['max-line-length-allowed|maxlinelengthallowed', 'prints the limit here: 131071 bytes on Linux'],
  ['min-version|minversion=n', 'prints the version of GNU parallel that this one follows: 20221122'],
  ['plus', "all but {hgrp}, {agrp}, {host}, {sshlogin}, {choose_k} and {uniq}; patterns are JavaScript's"],
  ['parens=', PERL_PART],
  ['rpl=…', `${PERL_PART}; a sign has no parentheses`],
  ['progress', 'one line for all Drones together, with another look'],
  ['regexp|regex', "patterns are JavaScript's, not Perl's"],
  ['results|result|res=', 'a folder or a replacement string; .csv, .tsv and .json are refused'],
  ['retries=', 'a number; 0, for ever, is refused'],
  ['timeout=', 'seconds or 1d2h3m4s; a percentage is refused'],
  ['version|V', "prints The Hive's version"],
  ['work-dir|workdir|wd=', "commands may then run on any Drone; ... is the task's own fresh folder"],
]);

/** Long names only, and never by their beginnings: those are GNU parallel's. */
export const OWN_OPTIONS = entriesOf('own', [
  ['local', 'a Queen and a Drone on this machine, for the length of the run'],
  ['anywhere', 'on any Drone, each command in a fresh folder'],
  ['queen=', 'address of the Queen, host:port'],
  ['data=', "the Queen's data folder, where her address and the secret are found"],
  ['sandbox=', 'what commands run in: none, limits, bwrap or docker; only Drones that can get them'],
  ['sandbox-memory=', 'memory of one command, such as 512M'],
  ['sandbox-cpus=', 'processors of one command, such as 0.5'],
  ['sandbox-cpu-time=', 'seconds of processor time of each process'],
  ['sandbox-processes=', 'processes and threads of one command'],
  ['sandbox-files=', 'open files of each process'],
  ['sandbox-file-size=', 'size of each file that is written, such as 1G'],
  ['sandbox-disk=', "size of all files in a command's folders, such as 4G"],
  ['sandbox-image=', "for docker: one of the Drones' images"],
  ['sandbox-network', 'the network, which bwrap and docker take away, from Drones that give it'],
  ['insecure=?', 'without keys, in the clear: on this machine only, unless it is --insecure=yes-really'],
]);

const SSH = 'Drones are the machines, and "hive drones" lists them; nothing goes through ssh';
const SQL = 'the Queen keeps jobs, and "hive jobs" and "hive results" show them';
const LOAD = "how many tasks a machine runs at once is its Drone's --slots";
const CPUS = '"hive drones" shows how many slots there are';
const SEMAPHORE = 'there are no semaphores; use GNU sem or flock';
const RETIRED = 'GNU parallel has retired it too';
const PERL = 'there is no Perl here';
const PLAIN_PIPE = 'of --pipe there are --block, -N, -L, --recstart and --recend';
const COMPRESS = 'output is not kept in temporary files';
const TTY = 'tasks have no terminal';

const REFUSED = entriesOf('refused', [
  ['_parset=', 'parset is a shell function of GNU parallel; use --results or a loop over the output'],
  ['_pipe-means-argfiles', 'it is internal to GNU parallel'],
  ['_test=', 'it is internal to GNU parallel'],
  ['B=', RETIRED],
  ['bg', SEMAPHORE],
  ['bin=', PLAIN_PIPE],
  ['block-timeout|blocktimeout|bt=', PLAIN_PIPE],
  ['bug', 'it is internal to GNU parallel'],
  ['cat', `${PLAIN_PIPE}; write 'cat > file; …' as the command`],
  ['citation|bibtex', 'it is about GNU parallel; run that to see it'],
  ['color|colour', 'output is not coloured; --tag tells tasks apart'],
  [
    'color-failed|colour-failed|colorfailed|colourfailed|color-fail|colour-fail|colorfail|colourfail|cf',
    'output is not coloured; --joblog tells which tasks failed',
  ],
  ['combine-exec|combineexec=', 'a script cannot be made of it; put "hive run" into one'],
  ['compress', COMPRESS],
  ['csv', 'only --colsep splits lines; convert the file first, for instance to tabs'],
  ['ctag', 'output is not coloured; use --tag'],
  ['ctag-string|ctagstring=', 'output is not coloured; use --tagstring'],
  ['ctrl-c|ctrlc', RETIRED],
  ['debug|D=', 'set DEBUG=hive:* instead'],
  ['embed', 'a script cannot be made of it; put "hive run" into one'],
  ['fg', SEMAPHORE],
  ['fifo', `${PLAIN_PIPE}; a command can read its standard input as /dev/stdin`],
  ['filter=…', PERL],
  ['filter-hosts|filterhosts|filter-host', SSH],
  ['g', RETIRED],
  ['group-by|groupby=', PLAIN_PIPE],
  ['H=n', RETIRED],
  ['hgrp|hostgrp|hostgroup|hostgroups', SSH],
  ['interactive|p', 'tasks start without asking; look at them first with --dry-run'],
  ['latest-line|latestline|ll', 'use --line-buffer with --tag'],
  ['limit=', LOAD],
  ['linkinputsource|xapplyinputsource=n', 'use :::+ and ::::+'],
  ['load=', LOAD],
  ['controlmaster|M', SSH],
  ['memfree=', LOAD],
  ['memsuspend=', LOAD],
  ['nice=n', 'start the Drones with nice, or write nice into the command'],
  ['no-ctrl-c|no-ctrlc|noctrlc', RETIRED],
  ['nonall', SSH],
  ['noswap', LOAD],
  ['number-of-cores|numberofcores', CPUS],
  ['number-of-cpus|numberofcpus', CPUS],
  ['number-of-sockets|numberofsockets', CPUS],
  ['number-of-threads|numberofthreads', CPUS],
  ['onall', SSH],
  ['open-tty|o', TTY],
  ['output-as-files|outputasfiles|files', 'use --results DIR, which keeps each output in a file of its own'],
  ['files0', 'use --results DIR, which keeps each output in a file of its own'],
  ['pipe-part|pipepart', 'use --pipe with the file as standard input'],
  ['recordenv|record-env', 'use --env NAME for each variable'],
  ['round-robin|roundrobin|round', PLAIN_PIPE],
  ['rsync-opts|rsyncopts=', 'files travel as streams, not through rsync'],
  ['semaphore', SEMAPHORE],
  ['semaphore-name|semaphorename|id=', SEMAPHORE],
  ['semaphore-timeout|semaphoretimeout|st=', SEMAPHORE],
  ['session', 'use --env NAME for each variable'],
  ['shard=', PLAIN_PIPE],
  ['shebang|hashbang', 'a script cannot be run by it; put "hive run" into one'],
  ['shebang-wrap|shebangwrap', 'a script cannot be run by it; put "hive run" into one'],
  ['shell-completion|shellcompletion=', 'there is no completion for it yet'],
  ['shell-quote|shellquote|shell_quote…', 'use -q, or printf %q of your shell'],
  ['show-limits|showlimits', '--max-line-length-allowed prints the one limit there is'],
  ['shuf', 'tasks start in the order of their input; shuffle that with shuf'],
  ['sql=', RETIRED],
  ['sql-and-worker|sqlandworker=', SQL],
  ['sql-master|sqlmaster=', SQL],
  ['sql-worker|sqlworker=', SQL],
  ['ssh=', SSH],
  ['ssh-delay|sshdelay=', SSH],
  ['sshlogin|S=…', SSH],
  ['sshloginfile|slf=…', SSH],
  ['T', RETIRED],
  ['tee', PLAIN_PIPE],
  ['template|tmpl=…', 'write the file in the command, for instance with sed'],
  ['term-seq|termseq=', 'a task gets SIGTERM, and SIGKILL 5 seconds later'],
  ['tmpdir|tempdir=', "TMPDIR is the task's own folder"],
  ['tmux', TTY],
  ['tmux-pane|tmuxpane', TTY],
  ['tollef', RETIRED],
  ['tty', TTY],
  ['U=', RETIRED],
  ['unsafe', 'nothing is refused here that it would allow'],
  ['use-compress-program|compress-program|usecompressprogram|compressprogram=', COMPRESS],
  ['use-cores-instead-of-threads|usecoresinsteadofthreads', CPUS],
  ['use-cpus-instead-of-cores|usecpusinsteadofcores', CPUS],
  ['use-decompress-program|decompress-program|usedecompressprogram|decompressprogram=', COMPRESS],
  ['use-sockets-instead-of-threads|usesocketsinsteadofthreads', CPUS],
  ['W=', RETIRED],
  ['wait', SEMAPHORE],
  ['Y', RETIRED],
]);

export const OPTIONS: readonly OptionEntry[] = [...SAME, ...DIFFERS, ...REFUSED];

/** The version of GNU parallel that this was compared with. */
export const GNU_VERSION = 20_221_122;

/** As a person writes it: `-k` or `--keep-order`. */
export function written(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
