# fish completion for the ecl programs: options from what --help prints, elements and blocks from the ledger on the line.

# It is installed once for each program.
functions -q __ecl_names; and return

function __ecl_names
	set -l words (commandline -opc)
	set -l root
	for i in (seq 2 (count $words))
		switch $words[$i]
			case -d --root
				test $i -lt (count $words); and set root --root $words[(math $i + 1)]
			case '--root=*'
				set root $words[$i]
		end
	end
	# What was typed, without what quotes it.
	set -l typed (commandline -ct)
	if string match -qr '^["\']' -- $typed
		set typed (string sub -s 2 -- $typed)
	else
		set typed (string replace -ra '\\\\(.)' '$1' -- $typed)
	end
	ecl-query $root --limit 200 --names $argv[1] -- $typed 2>/dev/null
end

function __ecl_options
	set -l program (commandline -opc)[1]
	$program --help 2>/dev/null | string replace -rf '^ *(?:-., )?(--[a-z-]+)\S*(?: [A-Z]\S*)* *(.*)' '$1\t$2'
end

function __ecl_after
	contains -- (commandline -opc)[-1] $argv
end

for program in append collect collect-files cosign embed-http fleet-config fleet-setup index init prove publish query redact replay rollback run snap subscribe verify watch witness
	complete -c ecl-$program -n 'string match -q -- "-*" (commandline -ct)' -a '(__ecl_options)'
end
complete -c ecl-query -f -n 'not __ecl_after -d --root --at --since --until --diff --block --like' -a '(__ecl_names elements)'
complete -c ecl-query -f -n '__ecl_after --at --since --until --diff --block --like' -a '(__ecl_names blocks)'
complete -c ecl-append -n '__ecl_after -e' -f -a '(__ecl_names elements)'
complete -c ecl-replay -f -n '__ecl_after --from --to' -a '(__ecl_names blocks)'
complete -c ecl-replay -f -n '__ecl_after --element' -a '(__ecl_names elements)'
complete -c ecl-snap -f -n '__ecl_after --path --diff --send --parent' -a '(__ecl_names blocks)'
complete -c ecl-rollback -f -a '(__ecl_names blocks)'
