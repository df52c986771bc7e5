#!/usr/bin/env python3
"""An operator of NATS with accounts and users by JWT, as nsc makes them: nkeys, JWTs and credentials files, signed by openssl(1).

usage: nats-jwt.py DIR NAME PORT HOST...   DIR/NAME.conf for a server on loopback, which has the accounts FLEET, OTHER and SYS in its memory;
                                           of FLEET, DIR/admin.creds, DIR/auditor.creds, DIR/HOST.creds and, of the first HOST,
                                           DIR/expired.creds; of OTHER, DIR/other.creds
       nats-jwt.py --soon DIR HOST SECONDS DIR/soon.creds, which expires in so many
       nats-jwt.py --subjects              those that host web1, the auditor and the administrator need, one a line
"""
import base64
import hashlib
import json
import os
import subprocess
import sys
import time

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
BANNER = '*' * 25 + ' IMPORTANT ' + '*' * 25


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc


def base32(data):
    return base64.b32encode(data + crc16(data).to_bytes(2, 'little')).decode().rstrip('=')


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip('=')


class Key:
    def __init__(self, kind, pem=None):
        self.pem = pem or subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519'], stdout=subprocess.PIPE, check=True).stdout
        der = base64.b64decode(b''.join(self.pem.split(b'\n')[1:-2]))
        text = subprocess.run(['openssl', 'pkey', '-pubout', '-outform', 'DER'], input=self.pem, stdout=subprocess.PIPE, check=True).stdout
        self.seed = base32(bytes((SEED | kind >> 5, (kind & 31) << 3)) + der[-32:])
        self.name = base32(bytes((kind,)) + text[-32:])

    def sign(self, message):
        path = 'key.%d' % os.getpid()
        for name, data in ((path, self.pem), (path + '.in', message)):
            with open(name, 'wb') as f:
                f.write(data)
        out = subprocess.run(['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', path, '-in', path + '.in'], stdout=subprocess.PIPE, check=True).stdout
        os.unlink(path)
        os.unlink(path + '.in')
        return out

    def jwt(self, name, sub, nats, **more):
        claims = dict({'iat': int(time.time()) - 60, 'iss': self.name, 'name': name, 'nats': dict(nats, version=2), 'sub': sub}, **more)
        compact = dict(separators=(',', ':'), sort_keys=True)
        claims['jti'] = base64.b32encode(hashlib.sha256(json.dumps(claims, **compact).encode()).digest()).decode().rstrip('=')
        text = base64url(b'{"typ":"JWT","alg":"ed25519-nkey"}') + '.' + base64url(json.dumps(claims, **compact).encode())
        return text + '.' + base64url(self.sign(text.encode()))


def account(operator, name, jetstream):
    limits = {k: -1 for k in 'subs data payload imports exports conn leaf'.split()}
    limits['wildcards'] = True
    if jetstream:
        limits.update({k: -1 for k in 'mem_storage disk_storage streams consumer'.split()})
    key = Key(ACCOUNT)
    return key, operator.jwt(name, key.name, {'type': 'account', 'limits': limits})


def creds(path, account, name, role, **more):
    key = Key(USER)
    permissions = {'pub': {'allow': role[0]}, 'sub': {'allow': role[1]}}
    jwt = account.jwt(name, key.name, dict(permissions, type='user', subs=-1, data=-1, payload=-1), **more)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as f:
        f.write('-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n%s\n'
                'NKEY Seed printed below can be used to sign and prove identity.\n\n'
                '-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n\n%s\n' % (jwt, BANNER, key.seed, '*' * 61))


API = '$JS.API.'
AUDITOR = ([API + 'STREAM.NAMES', API + 'STREAM.INFO.*', API + 'CONSUMER.CREATE.>', API + 'CONSUMER.INFO.>', API + 'CONSUMER.DELETE.>',
            API + 'DIRECT.GET.>', '$JS.FC.>'], ['_INBOX.auditor.>'])
ADMIN = ([API + 'STREAM.INFO.*', API + 'STREAM.CREATE.*'], ['_INBOX.admin.>'])


def host_may(host):
    token = host.replace('_', '~').replace('.', '_')
    return (['ecl.*.%s.*' % token, '$JS.API.STREAM.NAMES', '$JS.API.DIRECT.GET.*.ecl.*.%s.*' % token],
            ['_INBOX.%s.>' % token])


def soon(where, host, seconds):
    os.chdir(where)
    with open('fleet.pem', 'rb') as f:
        creds('soon.creds', Key(ACCOUNT, f.read()), host, host_may(host), exp=int(time.time()) + int(seconds))


def main(where, name, port, *hosts):
    os.makedirs(where, exist_ok=True)
    where = os.path.abspath(where)
    os.chdir(where)
    operator = Key(OPERATOR)
    fleet, fleet_jwt = account(operator, 'FLEET', True)
    other, other_jwt = account(operator, 'OTHER', True)
    system, system_jwt = account(operator, 'SYS', False)
    creds('admin.creds', fleet, 'admin', ADMIN)
    creds('auditor.creds', fleet, 'auditor', AUDITOR)
    for host in hosts:
        creds(host + '.creds', fleet, host, host_may(host))
    creds('expired.creds', fleet, hosts[0], host_may(hosts[0]), exp=int(time.time()) - 30)
    with open('fleet.pem', 'wb') as f:
        f.write(fleet.pem)
    creds('other.creds', other, 'admin', ([], []))
    with open(name + '.conf', 'w') as f:
        f.write('server_name: "%s"\nlisten: "127.0.0.1:%s"\npid_file: "%s/%s.pid"\njetstream { store_dir: "%s/%s.store" }\n'
                'operator: "%s"\nsystem_account: "%s"\nresolver: MEMORY\nresolver_preload: {\n'
                % (name, port, where, name, where, name,
                   operator.jwt('ecl', operator.name, {'type': 'operator', 'system_account': system.name}), system.name))
        for key, jwt in ((fleet, fleet_jwt), (other, other_jwt), (system, system_jwt)):
            f.write('  %s: "%s"\n' % (key.name, jwt))
        f.write('}\n')


if sys.argv[1] == '--soon':
    soon(*sys.argv[2:])
elif sys.argv[1] == '--subjects':
    print('\n'.join(sum((pub + sub for pub, sub in (host_may('web1'), AUDITOR, ADMIN)), [])))
else:
    main(*sys.argv[1:])
