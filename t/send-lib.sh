# What the tests of sending and receiving share: two disks, two hosts, a key.  Sourced behind test-lib.sh and block-lib.sh.
# shellcheck shell=bash disable=SC2154

# make_disk NAME: another btrfs, on $TRASH/NAME.
make_disk()
{
	truncate -s 512M "$TRASH/$1.img"
	mkfs.btrfs -q "$TRASH/$1.img" >/dev/null
	mkdir "$TRASH/$1"
	mount -o loop,noatime "$TRASH/$1.img" "$TRASH/$1"
}

# make_host ROOT: a ledger with files, whose origin is host/web1; its key is $TRASH/key, its verifier key $V.
make_host()
{
	ecl-init -q --embedder none --origin host/web1 "$1"
	test -e "$TRASH/key" || openssl genpkey -algorithm ed25519 -out "$TRASH/key"
	V=$(ecl-prove -d "$1" --vkey "$TRASH/key")
}

# change ROOT N: an event and some changes of files, the Nth.
change()
{
	ecl-append -d "$1" -q -e "web:$2" -s "{\"n\":$2}"
	echo "change $2" >"$1/live/new.$2"
	test ! -e "$1/live/a/f" || echo "more $2" >>"$1/live/a/f"
}

# nothing_left ROOT WHAT...: a refused receive has changed nothing: no blocks but those, no left-overs.
nothing_left()
{
	local root=$1

	shift
	ls -A "$root/.snapshots" >.left
	printf '%s' "$*" | xargs -rn 1 | diff - .left || { echo "left in .snapshots"; return 1; }
	! ls -A "$root" | grep '^\.receive\|^\.tmp-\|^\.old-' || { echo "left in ROOT"; return 1; }
}

# start_sshd: one of our own on the loopback; sets ssh, the words that reach it, and sshd_pid.
start_sshd()
{
	local dir=$TRASH/ssh port

	mkdir -m 700 "$dir"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
	# What init would make.
	! mkdir /run/sshd 2>/dev/null || test_when_finished 'rmdir /run/sshd'
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		cat >"$dir/config" <<-EOF
			ListenAddress 127.0.0.1:$port
			HostKey $dir/host
			AuthorizedKeysFile $dir/user.pub
			AllowUsers $(id -un)
			PermitRootLogin prohibit-password
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			StrictModes no
			UsePAM no
			PidFile none
		EOF
		"$(command -v sshd)" -D -e -f "$dir/config" >"$dir/log" 2>&1 5>&- &
		sshd_pid=$!
		echo "[127.0.0.1]:$port $(cat "$dir/host.pub")" >"$dir/known"
		ssh="ssh -F none -i $dir/user -p $port -o UserKnownHostsFile=$dir/known -o BatchMode=yes -o IdentitiesOnly=yes"
		ssh="$ssh -o ConnectionAttempts=10 $(id -un)@127.0.0.1 PATH=$PATH"
		! $ssh true 2>>"$dir/log" || return 0
	done
	cat "$dir/log"
	return 1
}
