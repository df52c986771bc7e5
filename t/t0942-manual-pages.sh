#!/bin/bash
test_description='the examples of all manual pages run, in a system of their own: its network, its /etc, /srv, /var/lib, its hosts'
. "${0%/*}/test-lib.sh"

# All in name spaces, which end with the test.
if test -z "${ECL_TEST_INSIDE-}" && test_have_prereq ROOT && unshare -m -n -u -p --fork --mount-proc true 2>/dev/null; then
	test_clean && trap - EXIT && ECL_TEST_INSIDE=1 exec unshare -m -n -u -p --fork --mount-proc --kill-child bash "$top_srcdir/t/${0##*/}" "$@"
fi
for program in curl faketime git gnuplot ip jq mandoc nats-server openssl python3 script sshd udevadm; do
	command -v $program >/dev/null || missing="${missing-}$program "
done
if test -z "${ECL_TEST_INSIDE-}" || test -n "${missing-}" || ! test -x "$top_builddir/cmd/ecl-publish"; then
	skip_all="the examples need root, name spaces, the fleet's programs${missing:+, $missing}"
	test -z "${ECL_TEST_BTRFS-}" || ! test_have_prereq ROOT || test_bail "$skip_all"
	test_done
fi
unset ECL_TEST_INSIDE
test_btrfs 1G
test_have_prereq BTRFS || { skip_all='no btrfs'; test_done; }
. "$top_srcdir/t/nats-lib.sh"

# What is not run as it stands, PAGE|BEGINNING|HOW: each line must be needed.
#	skip WHY
#	follow CHECK	it follows what happens: an event is recorded until CHECK succeeds, then it is ended
#	keys KEYS	on a terminal, where somebody types
#	serve CHECK	it serves; the next examples begin when CHECK succeeds
#	with WORD	with this variable
cat >how <<\EOF2 || exit
ecl-append.1|- ansible.builtin.command:|skip a part of a playbook: t0930 runs one by ansible-playbook
ecl-fleet.7|ecl-replay --follow --cursor C|follow same_end /srv/host
ecl-fleet.7|nsc |skip needs the tool of NATS, which Debian lacks: t0956 makes such users
ecl-format.5||skip t0940 runs them
ecl-init.1|ecl-init --embedder|with ECL_ROOT=/srv/embedded
ecl-prove.1|c2sp.org/tlog-proof@v1|skip the form of a proof
ecl-prove.1|ecl/tlog-latest@v1|skip the form of a proof
ecl-prove.1|old <size>|skip the form of a request
ecl-embed-http.1|ecl-init --embedder|with ECL_ROOT=/srv/embedded
ecl-publish.1|ecl-publish --follow|follow published
ecl-query.1|mtu: 1500 -> 9000|skip what a table shows: t0411 has it
ecl-replay.1|ecl-replay --follow --cursor|follow same_end /srv/backup
ecl-replay.1|ecl-replay --follow --from now|follow test -s "$TRASH/notified"
ecl-rollback.1|ecl-rollback block-7|keys y
ecl-rollback.1|ecl-rollback --path|keys y
ecl-rollback.1|ecl-rollback --element|keys y
ecl-rollback.1|ecl-rollback block-000012|keys y
ecl-run.1|DPkg::Pre-Invoke|skip a part of apt.conf: t0906 runs apt with it
ecl-run.1|pre-invoke=ecl-hook-dpkg|skip a part of dpkg.cfg: t0906 runs dpkg with it
ecl-run.1|ecl-watch links|follow watched link:eth0
ecl-run.1|ecl-watch mounts|follow watched mount:/mnt/new
ecl-subscribe.1|ecl-subscribe --follow|follow grep -q "\"restart\"" "$TRASH/out"
ecl-witness.1|ecl-witness --key /etc/ecl-witness.pem --name witness.example/w1 --state|serve curl -s -o /dev/null --max-time 5 http://127.0.0.1:8980/
ecl.7||skip t0940 runs them
EOF2

# sham NAME SCRIPT: a program that stands for another, which nobody wants here or which examples only suppose.
mkdir bin && PATH=$TRASH/bin:$PATH || exit
sham() { printf '%s\n' '#!/bin/bash' "$2" >"$TRASH/bin/$1" && chmod +x "$TRASH/bin/$1"; }

# Files that examples make belong to this system, and so do its hosts.
make_system()
{
	local dir n=0 host

	mount --make-rprivate / &&
	mkdir over home work && HOME=$TRASH/home &&
	mount -t tmpfs tmpfs over &&
	for dir in etc var/lib; do
		mkdir -p over/$dir/u over/$dir/w && mount -t overlay -o lowerdir=/$dir,upperdir=over/$dir/u,workdir=over/$dir/w overlay /$dir || return 1
	done &&
	# In /dev/shm faketime has names of process numbers, which are not those of others here.
	for dir in /mnt /media /run /dev/shm; do mount -t tmpfs tmpfs $dir || return 1; done &&
	mkdir -p btrfs/srv btrfs/root /var/lib/ecl /media/safe /run/sshd &&
	mount --bind btrfs/srv /srv && mount --bind btrfs/root /var/lib/ecl && chmod 755 /srv /var/lib/ecl &&
	hostname web1 && ip link set lo up && ip link add eth0 type bridge && ip link set eth0 up &&
	# Their times are UTC, and so is what an example takes for one.
	mkdir -m 700 home/.ssh && ssh-keygen -q -t ed25519 -N '' -f home/.ssh/id_ed25519 && ssh-keygen -q -t ed25519 -N '' -f home/.ssh/host &&
	printf '%s\n' ListenAddress\ 127.0.0.1 "HostKey $HOME/.ssh/host" "AuthorizedKeysFile $HOME/.ssh/id_ed25519.pub" 'StrictModes no' \
		'PermitRootLogin prohibit-password' 'UsePAM no' 'PidFile none' 'AcceptEnv ECL_ROOT' 'MaxStartups 100' \
		"SetEnv \"PATH=$PATH\" ECL_MODEL_DIR=$ECL_MODEL_DIR ECL_MODULE_DIR=$ECL_MODULE_DIR" >sshd_config &&
	echo "127.0.0.1 $(cat home/.ssh/host.pub)" >home/.ssh/known_hosts &&
	{ "$(command -v sshd)" -D -e -f "$TRASH/sshd_config" >sshd.log 2>&1 5>&- & } &&
	for host in web1:/var/lib/ecl host:/srv/host backup:/srv/backup log:/srv/log witness:/srv/witness; do
		printf '%s\n' "Host ${host%:*}" 'HostName 127.0.0.1' "SetEnv ECL_ROOT=${host#*:}" "UserKnownHostsFile $HOME/.ssh/known_hosts" "IdentityFile $HOME/.ssh/id_ed25519"
	done >home/.ssh/config &&
	# ssh looks for the home of the user in passwd, not in HOME.
	cp home/.ssh/config /etc/ssh/ssh_config.d/ecl-test.conf &&
	sham list-users 'echo "{\"element\":\"user:anna\",\"state\":{\"password\":\"secret\"}}"' && sham apt-get : && sham vi 'echo "# seen" >>"$1"' &&
	sham notify "echo \"\$1\" >>$TRASH/notified" &&
	mkdir embed embed2 && echo ok >embed/mode && echo ok >embed2/mode &&
	{ python3 "$top_srcdir/t/embed-stub.py" embed 8080 & } && { python3 "$top_srcdir/t/embed-stub.py" embed2 11434 & } &&
	printf '%s\n' '127.0.0.1 localhost witness.example' '127.2.0.1 n1.lan' '127.2.0.2 n2.lan' '127.2.0.3 n3.lan' '127.2.0.4 n1' >/etc/hosts
}

# A month of a ledger: events 1 to 12, eight signed blocks, then today.
make_ledger()
{
	local n

	past() { faketime -f "$@"; }
	openssl genpkey -algorithm ed25519 -out safe.key &&
	past -30d ecl-init -q --origin host/web1 &&
	past -27d ecl-append -q <<-\EOF2 &&
	{"element":"service:nginx","state":{"version":"1.22.0"}}
	{"element":"service:mail","state":{"version":"1"}}
	{"element":"mount:/srv","state":{"summary":"no space left on device"}}
	{"element":"interface:eth0","state":{"mtu":1500}}
	{"element":"package:linux-image","state":{"version":"6.1"}}
	{"element":"service:web","state":{"version":"1"}}
	{"element":"service:db","state":{"version":"1"}}
	{"element":"service:db","state":null}
	{"element":"service:cache","state":{"version":"1"}}
	{"element":"pkg:bash","state":{"version":"5.2"}}
	{"element":"service:web","action":"restart","actor":"ansible"}
	{"element":"service:nginx","action":"restart","actor":"ansible"}
	EOF2
	{ ecl-collect-links && ecl-collect-files --content /etc/passwd /etc/hosts; } | past -26d ecl-append -q &&
	mkdir -p /var/lib/ecl/live/etc/ssh && echo one >/var/lib/ecl/live/etc/hosts && echo one >/var/lib/ecl/live/etc/ssh/config && echo one >/var/lib/ecl/live/motd &&
	for n in 10 9 8 7 6 5 4 3; do past -${n}d ecl-append -q -e service:web -s "$n" && past -${n}d ecl-snap -q --sign safe.key || return 1; done &&
	echo two >/var/lib/ecl/live/etc/hosts && echo two >/var/lib/ecl/live/motd &&
	seq 1300 | sed 's/.*/{"element":"poll:&","state":&}/' | ecl-append -q &&
	ecl-append -q -e interface:eth0 -s '{"mtu":1400}' && ecl-append -q -e service:nginx -s '{"version":"1.22.1"}' &&
	ecl-append -q -e file:/etc/passwd -a touch && ecl-snap -q --sign safe.key
}

# What the checks of examples that follow ask.
same_end() { cmp <(ecl-replay | tail -n 1) <(ecl-replay -d "$1" | tail -n 1); }
published() { cmp <(ecl-replay --count 20) <(ecl-subscribe --tls-ca /etc/ecl/ca.pem --tls-cert /etc/ecl/auditor.pem --tls-key /etc/ecl/auditor.key "$NATS_URL" 2>/dev/null | head -n 20); }
watched() { ip link set eth0 mtu $((1000 + RANDOM % 400)) && ecl-replay --from "$mark" --element "$1" | grep .; }

# Before the examples of a page.
empty() { local d=/srv/.gone.$RANDOM; mkdir -p $d && ls -A /srv | grep -v '^\.gone' | (cd /srv && xargs -rI{} mv {} $d); }
before_ecl_append() { empty; ecl-init -q --replica /srv/ecl/web1; }
after_ecl_append() { ecl-query user:anna | jq -e '.state.password | test("^[{]?hmac|^hmac|:")' && same_end /srv/ecl/web1; }
before_ecl_cosign()
{
	openssl genpkey -algorithm ed25519 -out /etc/ecl-witness.pem && ecl-witness --key /etc/ecl-witness.pem --name witness.example/w1 --vkey >/etc/ecl-witness.vkey &&
		cp "$TRASH/safe.key" /etc/ecl.pem && witness_tls && mkdir "$TRASH/cosigned" &&
		{ ecl-witness --key /etc/ecl-witness.pem --name witness.example/w1 --state "$TRASH/cosigned" --log "$(ecl-prove --vkey /etc/ecl.pem)" --listen 127.0.0.1:8980 & } &&
		witness=$! && eventually curl -s -o /dev/null --max-time 5 http://127.0.0.1:8980/
}
after_ecl_cosign() { kill $witness && ecl-verify -q --key "$(ecl-prove --vkey /etc/ecl.pem)" --witness "$(cat /etc/ecl-witness.vkey)" --quorum 1 && rm /etc/ecl-witness.*; }
before_ecl_fleet() { empty; ecl-init -q --replica /srv/host; }
before_ecl_fleet_setup()
{
	local n

	ecl-fleet-config --tls --servers n1.lan,n2.lan,n3.lan /etc/ecl web1 && cp /etc/ecl/ca.pem /etc/ecl/admin.* . &&
		for n in 1 2 3; do sed -i "s/0\.0\.0\.0/127.2.0.$n/" /etc/ecl/n$n.lan.conf || return 1; done && nats_up /etc/ecl n1.lan n2.lan n3.lan
}
after_ecl_index() { ecl-index -q --embedder ecl-en-1; }
before_ecl_import()
{
	mkdir project && cd project && git init -q . && mkdir lib && echo 1 >lib/a.c && git add lib &&
		GIT_COMMITTER_DATE=2019-01-01T00:00:00Z git -c user.name=a -c user.email=a@b commit -q -m one --date 2019-01-01T00:00:00Z
}
before_ecl_init() { empty; echo '{"time":"2019-02-03T00:00:00Z","element":"a:b","state":1}' >old.ndjson; cp "$TRASH/safe.key" /media/safe/web1.key; VKEY=$(ecl-prove --vkey "$TRASH/safe.key"); }
before_ecl_prove() { cp "$TRASH/safe.key" key.pem; VKEY=$(ecl-prove --vkey key.pem); mkdir -p /srv/www/log; }
before_ecl_query() { empty; mkdir /srv/ecl; ecl-init -q --origin host/b /srv/ecl/b; ecl-append -q -d /srv/ecl/b -e a:b -s 1; }
before_ecl_redact() { empty; ecl-init -q /srv/log; }
before_ecl_replay() { empty; ecl-init -q --replica /srv/backup; ecl-replay --count 1235 | ecl-append -d /srv/backup --replica -q; }
each_ecl_rollback() { sleep .1; ip link set eth0 mtu $((1200 + n)); ecl-collect-links | ecl-append -q; echo two >/var/lib/ecl/live/etc/hosts; }
before_ecl_run() { mkdir /mnt/new && mount -t tmpfs tmpfs /mnt/new; }
each_ecl_run() { mark=$(ecl-query --stat | jq .events); }
each_ecl_snap() { ecl-append -q -e live:$n -a restart; }
before_ecl_snap()
{
	empty; ecl-init -q /srv/host; cp "$TRASH/safe.key" ecl.key
	mkdir "$TRASH/btrfs/other" && mount --bind "$TRASH/btrfs/other" /var/lib/ecl && past -4d ecl-init -q && echo one >/var/lib/ecl/live/motd &&
		past -3d ecl-snap -q && echo two >/var/lib/ecl/live/other
}
before_ecl_subscribe()
{
	empty; cp /etc/ecl/ca.pem /etc/ecl/auditor.* .
	mkdir "$TRASH/plain" && ecl-fleet-config --loopback n1 "$TRASH/plain" && sed -i 's/127\.0\.0\.1/127.2.0.4/' "$TRASH/plain/n1.conf" && nats_up "$TRASH/plain" n1 && (unset NATS_URL && ecl-fleet-setup nats://n1) &&
		{ ecl-publish --follow nats://n1 & } && publisher=$!
}
after_ecl_subscribe() { kill $publisher; }
before_ecl_verify()
{
	local n

	KEY=$(ecl-prove --vkey "$TRASH/safe.key") && echo "$KEY" >web1.vkey && ecl-append -q -e service:web -a restart && ecl-snap -q --sign "$TRASH/safe.key" &&
		for n in 1 2 3; do
			openssl genpkey -algorithm ed25519 -out w$n.pem && mkdir w$n && eval "W$n=\$(ecl-witness --key w$n.pem --name w$n --vkey)" || return 1
			test $n != 3 || break
			ecl-witness --key w$n.pem --name w$n --state w$n --log "$KEY" --listen 127.0.0.1:898$n &
			eventually curl -s -o /dev/null --max-time 5 http://127.0.0.1:898$n/
		done && ecl-cosign "$W1" http://127.0.0.1:8981 "$W2" http://127.0.0.1:8982 && cp /var/lib/ecl/checkpoint kept && cp kept web1.kept &&
		ecl-prove 12 >12.tlog-proof && mkdir /mnt/block-000007-1a2b3c4d && mount --bind "$(ecl-snap --path block-7)" /mnt/block-000007-1a2b3c4d
}
before_ecl_witness()
{
	empty; ECL_ROOT=/srv/w; export ECL_ROOT
	ecl-init -q && seq 1198 | sed 's/.*/{"element":"poll:&","state":&}/' | ecl-append -q && ecl-snap -q --sign "$TRASH/safe.key" && ecl-append -q -e a:b -s 1 &&
		ecl-prove --vkey "$TRASH/safe.key" >ledger.vkey && ln -s /etc/ecl-witness.pem witness.pem && ln -s /var/lib/ecl-witness DIR && witness_tls
}

# TLS for witness.example, in front of a witness; whoever asks in here believes its certificate.
witness_tls()
{
	local dir=$TRASH/tls

	unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
	export SSL_CERT_FILE=$dir/cert.pem CURL_CA_BUNDLE=$dir/cert.pem
	test ! -d "$dir" || return 0
	mkdir "$dir" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=witness.example \
		-addext subjectAltName=DNS:witness.example -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null || return 1
	python3 - "$dir" <<-\PY &
		import http.server, ssl, sys, urllib.error, urllib.request
		class Front(http.server.BaseHTTPRequestHandler):
		    def do_POST(self):
		        body = self.rfile.read(int(self.headers["Content-Length"]))
		        try:
		            answer = urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8980" + self.path, body))
		        except urllib.error.HTTPError as e:
		            answer = e
		        data = answer.read()
		        self.send_response(answer.status)
		        for name in ("Content-Type",):
		            self.send_header(name, answer.headers[name])
		        self.send_header("Content-Length", str(len(data)))
		        self.end_headers()
		        self.wfile.write(data)
		    def log_message(self, *_):
		        pass
		Front.do_GET = lambda self: self.send_error(405)
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Front)
		tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		tls.load_cert_chain(sys.argv[1] + "/cert.pem", sys.argv[1] + "/key.pem")
		server.socket = tls.wrap_socket(server.socket, server_side=True)
		server.serve_forever()
	PY
	eventually curl -s -o /dev/null --max-time 5 https://witness.example/
}

cat >run.sh <<\EOF2 || exit
n=0
replied()
{
	local got

	got=$(tr -d '\r' <"$TRASH/out")
	case $how in
	keys*) # the block is another one
		got=$(grep -o 'ecl-rollback: to undo this: ecl-rollback block-.*' <<<"$got") || :
		undo=${got##* }
		test -z "$2" || test "${got% *}" = "${2% *}" || { echo "example $n: no hint: $got" >&2; exit 1; }
		return
		;;
	esac
	test -z "$2" || test "$got" = "$2" || { printf 'example %s: wanted\n%s\ngot\n%s\n' "$n" "$2" "$got" >&2; exit 1; }
}
how_is()
{
	local p begin rest text

	how=run
	text=$(tr -s ' \n\\' ' ' <<<"$1")
	while IFS='|' read -r p begin rest; do
		case "$p|$text" in
		"$page|$begin"*)
			how=$rest
			echo "$p|$begin|$rest" >>"$TRASH/used"
			return
			;;
		esac
	done <"$TRASH/how"
}
example()
{
	local rc=0 try pid

	n=$((n + 1))
	how_is "$1"
	printf '%s\n' "+ $1   [$how]" >&2
	! declare -F "each_$name" >/dev/null || "each_$name"
	case $how in
	skip*) return ;;
	serve*)
		setsid bash -c "$1" >/dev/null 2>&1 &
		eventually eval "${how#serve }" || { echo "example $n: it does not serve" >&2; exit 1; }
		return
		;;
	follow*)
		: >"$TRASH/out"
		setsid bash -o pipefail -c "$1" >"$TRASH/out" 2>"$TRASH/follow.err" &
		pid=$!
		for try in $(seq 200); do
			ecl-append -q -e "live:$try" -a restart
			! eval "${how#follow }" >/dev/null 2>&1 || break
			test $try != 200 || { echo "example $n: it does not follow: $(cat "$TRASH/follow.err" "$TRASH/out")" >&2; kill -- -$pid; exit 1; }
			sleep .1
		done
		kill -- -$pid
		wait $pid 2>/dev/null || :
		return
		;;
	keys*) script -qec "stty -echo; ${1/block-000012-4be1c0ff/${undo-}}" /dev/null <<<"${how#keys }" >"$TRASH/out" || rc=$? ;;
	with*) (export "${how#with }" && eval "$1") >"$TRASH/out" || rc=$? ;;
	*) eval "$1" >"$TRASH/out" || rc=$? ;;
	esac
	test $rc = 0 || { echo "example $n: exit $rc" >&2; exit 1; }
	replied "$1" "$2"
}
# A line of a crontab: cron mails what it prints.
other()
{
	local line command=

	how_is "$1"
	printf '%s\n' "+ $1   [$how]" >&2
	case $how in skip*) return ;; esac
	while IFS= read -r line; do
		line=${line%\\}
		if [[ $line =~ ^([*0-9/,]+\ +){5}((root|ecl)\ +)?(.*) ]]; then line=${BASH_REMATCH[4]}; elif test -z "$command"; then
			echo "neither run nor named among those that are not: $line" >&2
			exit 1
		fi
		command="$command$line "
	done <<<"$1"
	test "$how" = run || export "${how#with }"
	sh -c "$command" >"$TRASH/out" || { echo "exit $? of cron's $command" >&2; exit 1; }
	! test -s "$TRASH/out" || { echo "cron would mail:" >&2; cat "$TRASH/out" >&2; exit 1; }
}
display()
{
	:
}
EOF2

test_expect_success 'a system of its own, with a month of a ledger' '
	make_system && make_ledger && eventually ssh web1 true && ecl-verify -q
'

# run_page FILE: in a shell of its own, whose variables the examples share.
run_page()
{
	local name

	page=${1##*/}
	name=$(tr -c 'a-z\n' _ <<<"${page%.*}")
	python3 "$top_srcdir/t/manual-examples.py" "$1" >examples && cat run.sh examples >page.sh && cd work || return 1
	(
		set -o pipefail
		! declare -F "before_$name" >/dev/null || "before_$name" || exit
		. "$TRASH/page.sh"
		! declare -F "after_$name" >/dev/null || "after_$name"
	)
}
# ONLY='PAGE...' runs those alone.  ecl-snap.1 makes a key of its own, with which nothing was signed before, and so has another ledger: it comes last.
for file in $(printf '%s\n' "$top_srcdir"/cmd/*.[157] "$top_srcdir"/scripts/*.1 | sed '/ecl-snap\.1$/d') "$top_srcdir/cmd/ecl-snap.1"; do
	test -z "${ONLY-}" || case " $ONLY " in *" ${file##*/} "*) ;; *) continue ;; esac
	test_expect_success "${file##*/}" "run_page '$file'"
done

test_expect_success 'an example that is wrong, or neither run nor named, is found out' '
	for line in "# false" "what is this" "$ echo a
b" "* * * * * root echo mail"; do
		printf "%s\\n" ".Bd -literal" "$line" .Ed >odd.1 && test_expect_code 1 run_page "$TRASH/odd.1" && cd "$TRASH" || return 1
	done
'

test_expect_success 'none is named as not run that is not there' '
	test -n "${ONLY-}" || { sort -u how >expect && sort -u used >actual && test_cmp expect actual; }
'

test_done
