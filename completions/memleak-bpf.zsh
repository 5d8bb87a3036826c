#compdef memleak-bpf
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of memleak-bpf's command line for zsh.

local -a common tracing

common=(
	'(-T --top)'{-T+,--top=}'[stacks per process in a report]:number: '
	'--sort=[order of the stacks]:order:(bytes blocks growth age)'
	'--focus=[only stacks with a function, file or module like this]:regular expression: '
	'--ignore=[no stacks with such a one]:regular expression: '
	'(-a --show-allocs)'{-a,--show-allocs}'[list the blocks under each stack]'
	'(-f --format)'{-f+,--format=}'[form of the reports]:form:(text json folded)'
	'--output=[write reports there]:file:_files'
	'*'{-w+,--write=}'[save all stacks at the end]:file:_files -g "*.(pb.gz|json|folded|svg|html)"'
	'--color=[colour in text reports]:when:(auto always never)'
	'(-q --quiet)'{-q,--quiet}'[no warnings]'
	'*'{-v,--verbose}'[say what is found and done]'
	'--version[print the version]'
	'(-h --help)'{-h,--help}'[print the options]'
)
tracing=(
	'*'{-p+,--pid=}'[attach to running processes]:process:_pids'
	'(-c --command)'{-c+,--command=}'[run a command and trace it]:command:_cmdstring'
	'(-A --all)'{-A,--all}'[every process on the machine]'
	'--cgroup=[every process of a cgroup]:cgroup:_files -/'
	'(--no-follow)--follow[trace the children too]'
	'(--follow)--no-follow[do not trace the children]'
	'(-u --user)'{-u+,--user=}'[run the command as this user]:user:_users'
	'--preload[run the command with libmemleak.so]'
	'(-i --interval)'{-i+,--interval=}'[seconds between reports]:seconds: '
	'(-n --count)'{-n+,--count=}'[end after so many reports]:number: '
	'(-l --live)'{-l,--live}'[a view on the terminal]'
	'(-t --trace)'{-t,--trace}'[one line for every event]'
	'(-z --min-size)'{-z+,--min-size=}'[only allocations of so many bytes or more]:bytes: '
	'(-Z --max-size)'{-Z+,--max-size=}'[only allocations of so many bytes or less]:bytes: '
	'(-s --sample-rate --sample-bytes)'{-s+,--sample-rate=}'[follow one allocation in so many]:number: '
	'(-s --sample-rate)--sample-bytes=[follow one every so many bytes]:bytes: '
	'(-O --obj)'{-O+,--obj=}'[take the allocation functions from this object]:file:_files'
	'--symbols-prefix=[what their names begin with]:prefix: '
	'--no-sites[probe functions, also where allocators have sites]'
	'*--alloc-fn=[a function that allocates]:description: '
	'*--free-fn=[a function that frees]:description: '
	'--resource=[what of these is held]:list:(files locks dirs dl)'
	'--leak-check=[which blocks are lost]:when:(no final each)'
	'--show-leak-kinds=[what a final text report shows]:list:(definite indirect possible reachable all none)'
	'(--no-diagnose)--diagnose[look for wrong frees]'
	'(--diagnose)--no-diagnose[do not look for wrong frees]'
	'--error-exitcode=[exit status if a block is lost or a free is wrong]:number: '
	'*--suppressions=[what is not to be heard of]:file:_files'
	'--gen-suppressions[print suppressions]'
	'--show-reachable-path[show what keeps reachable blocks alive]'
	'(-o --older)'{-o+,--older=}'[show only blocks at least so old]:milliseconds: '
	'--blocks-dir=[keep a file for each live block]:directory:_files -/'
	'--debuginfod[ask the servers in DEBUGINFOD_URLS for symbols]'
	'--max-blocks=[live blocks]:number: '
	'--max-stacks=[different stacks]:number: '
	'--max-unwind-memory=[for unwind tables]:bytes: '
	'--stack-depth=[frames per stack]:number: '
)

case $words[2] in
report | diff)
	_arguments -s -S $common '1:command:(report diff)' '*:profile:_files -g "*.pb.gz"'
	;;
*)
	_arguments -s $common $tracing '1:interval or command:(report diff)' '2:count: ' \
		'*::command:_normal'
	;;
esac
