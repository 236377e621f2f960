//! What `--help` says after the options.

pub(super) const DETAILS: &str = "\
Placeholders, replaced anywhere in any word of the command:
  {}    the arguments             {1}  {2}  the first one, the second one; {-1} the last one
  {.}   without their extension   {1.}      and so on
  {/}   without their directory
  {//}  their directory
  {/.}  without directory and extension
  {#}   the number of the job, from 1; also in PARALLEL_SEQ
  {%}   the slot that it runs in, from 1; also in PARALLEL_JOBSLOT
Where the command has none, the arguments are appended to it. A placeholder that GNU parallel has and this one has \
not is an error.

A command of several words is a program with its arguments: they are given to it as they are, no shell sees them. A \
command of one word with a blank, or another character that shells know, is a line for $PARALLEL_SHELL, $SHELL or sh; \
what replaces a placeholder in it is quoted:
  parallel 'gzip < {} > {}.gz' ::: *.log
Without a command, the arguments are such lines:
  parallel < commands

With --header :, {name} is the argument whose list, or column, has that name.

  ::: A B   arguments                    :::+ A B   linked to the list before, one by one
  :::: F G  arguments in files           ::::+ F    likewise
Of several lists, each argument of one comes with each of the others.

With -S, jobs run on other hosts, by ssh and the shell of the user there. ssh must get in without a password. Files \
are copied by tar. A host that does not answer is named, and its jobs are done elsewhere. To end a job is to end its \
ssh; within a second or so, what it started there gets SIGTERM, and SIGKILL after the grace. A job that exits with 255 \
there counts as 254, since 255 is ssh's own. For options of ssh, use its configuration file, or --ssh:
  parallel -S 4/big,2/small,: --trc {.}.mp3 lame {} -o {.}.mp3 ::: *.wav

Jobs read /dev/null, or with --pipe their block. What a job writes is printed when it has ended, as a whole: it is \
kept in memory, and in an unlinked temporary file (in TMPDIR) where it is much. Of a job that is tried again, only \
the last try's is printed. A job has ended when it has exited and its pipes are closed, or silent for 200 ms if what \
it left behind holds them. With --tag and --line-buffer, a last line without its newline gets one. While \
standard output takes nothing, parallel waits for it: also time-outs and signals do. If it is closed, the running \
jobs are ended as by --halt now.

Ctrl-Z stops the jobs, too, and fg has them go on; their time-outs do not count meanwhile.

Each job leads a process group of its own: to end a job is to send SIGTERM to the group, and SIGKILL to what is left \
of it after the grace. SIGINT (Ctrl-C), SIGTERM and SIGHUP send SIGTERM to all jobs and start no more; the second \
one sends SIGKILL.

Exit status: the number of failed jobs, at most 101; with a percentage in --halt, the percentage of failed jobs; with \
fail=1 there, the exit status of the first failed job. Jobs that --halt ended do not count, and after as many \
successes as it names, none does. At least 1 after a signal, or if standard output was closed. 255 if the options are \
wrong or parallel itself failed.";
