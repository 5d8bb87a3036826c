# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of memleak-bpf's command line for bash.

# Files with one of these endings, and folders.
_memleak_bpf_files() {
	local ending file
	compopt -o filenames 2>/dev/null
	while IFS= read -r file; do
		COMPREPLY+=("$file")
	done < <(
		compgen -d -- "$cur"
		for ending; do
			compgen -f -X "!*$ending" -- "$cur"
		done
	)
}

_memleak_bpf_words() {
	local word
	while IFS= read -r word; do
		COMPREPLY+=("$word")
	done < <(compgen -W "$1" -- "$cur")
}

_memleak_bpf() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev='' mode=trace i
	local common='--top --sort --focus --ignore --show-allocs --format --output --write --color
		--show-leak-kinds --show-reachable-path --quiet --verbose --version --help'
	local tracing='--pid --command --all --cgroup --follow --no-follow --user --preload --interval --count --live --trace
		--min-size --max-size --sample-rate --sample-bytes --obj --symbols-prefix --no-sites --alloc-fn
		--free-fn --resource --older --leak-check --diagnose --no-diagnose --error-exitcode
		--suppressions --gen-suppressions --blocks-dir --debuginfod --max-blocks --max-stacks --max-unwind-memory --stack-depth'
	COMPREPLY=()
	[ "$COMP_CWORD" -lt 1 ] || prev=${COMP_WORDS[COMP_CWORD - 1]}
	# "--format=js" comes as three words.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ] && [ "$COMP_CWORD" -ge 2 ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${COMP_WORDS[1]:-} in
	report | diff) [ "$COMP_CWORD" -eq 1 ] || mode=saved ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [ $mode = trace ] && [ "${COMP_WORDS[i]}" = -- ]; then
			# A command and its own words.
			COMP_WORDS=("${COMP_WORDS[@]:i+1}")
			COMP_CWORD=$((COMP_CWORD - i - 1))
			if [ "$COMP_CWORD" -eq 0 ]; then
				_memleak_bpf_words "$(compgen -c -- "$cur")"
			else
				_memleak_bpf_files ''
			fi
			return
		fi
	done
	case $prev in
	-p | --pid) _memleak_bpf_words "$(command cd /proc && echo [0-9]*)" ;;
	-u | --user) _memleak_bpf_words "$(compgen -u)" ;;
	--sort) _memleak_bpf_words 'bytes blocks growth age' ;;
	-f | --format) _memleak_bpf_words 'text json folded' ;;
	--color) _memleak_bpf_words 'auto always never' ;;
	--leak-check) _memleak_bpf_words 'no final each' ;;
	--show-leak-kinds) _memleak_bpf_words 'definite indirect possible reachable all none' ;;
	--resource) _memleak_bpf_words 'files locks dirs dl' ;;
	-O | --obj | --output | --cgroup | --suppressions) _memleak_bpf_files '' ;;
	--blocks-dir)
		compopt -o filenames 2>/dev/null
		_memleak_bpf_words "$(compgen -d -- "$cur")"
		;;
	-w | --write) _memleak_bpf_files .pb.gz .json .folded .svg .html ;;
	-c | --command) _memleak_bpf_words "$(compgen -c -- "$cur")" ;;
	-i | --interval | -n | --count | -z | --min-size | -Z | --max-size | -s | --sample-rate | \
		--sample-bytes | --symbols-prefix | -T | --top | -o | --older | --focus | --ignore | \
		--alloc-fn | --free-fn | --error-exitcode | \
		--max-blocks | --max-stacks | --max-unwind-memory | --stack-depth) ;;
	*)
		if [[ $cur == -* ]]; then
			[ $mode = saved ] || common="$common $tracing"
			_memleak_bpf_words "$common"
		elif [ $mode = saved ]; then
			_memleak_bpf_files .pb.gz
		elif [ "$COMP_CWORD" -eq 1 ]; then
			_memleak_bpf_words 'report diff'
		fi
		;;
	esac
}

complete -F _memleak_bpf memleak-bpf
