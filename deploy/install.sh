#!/usr/bin/env bash
# Installs a built product, or a newer one over it; safe to run twice. A running product goes on with the build that it was
# started from until it is restarted.
#
#   deploy/install.sh [--prefix DIR] [--build DIR]
#
# --prefix: /usr/local without it. --build: where the executables are, .build/release without it (`make build` makes them).
# With DESTDIR in the environment everything goes below that folder, and neither users nor services are touched: for packages.
set -eu

usage() {
    echo "install: $1: see the beginning of deploy/install.sh" >&2
    exit 64
}

here=$(cd "$(dirname "$0")/.." && pwd)
prefix=/usr/local
build=$here/.build/release
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) [ $# -ge 2 ] || usage "--prefix needs a folder"; prefix=$2; shift 2 ;;
    --prefix=*) prefix=${1#--prefix=}; shift ;;
    --build) [ $# -ge 2 ] || usage "--build needs a folder"; build=$2; shift 2 ;;
    --build=*) build=${1#--build=}; shift ;;
    --help | -h) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) usage "unknown argument $1" ;;
    esac
done
case $prefix in
/*[!A-Za-z0-9/._+-]*) usage "--prefix $prefix has characters that a unit file cannot hold as they are" ;;
/*) ;;
*) usage "--prefix $prefix is not an absolute path" ;;
esac
root=${DESTDIR:-}
libexec=$prefix/lib/truthtable
executables="truthtable truthtable-supervisor truthtable-edge truthtable-dispatcher truthtable-auditor truthtable-broadcaster truthtable-mockllm"

for name in $executables; do
    [ -x "$build/$name" ] || {
        echo "install: $build/$name is missing: run \`make build\`, or name the folder by --build" >&2
        exit 69
    }
done
if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    echo "install: only root can install below $prefix: use sudo, or set DESTDIR" >&2
    exit 77
fi

# A new file beside the old one, then one rename: nobody ever runs half of a file.
put() { # MODE FROM TO
    install -m "$1" "$2" "$3.new"
    mv -f "$3.new" "$3"
}

install -d -m 0755 "$root$libexec" "$root$prefix/bin" "$root$prefix/share/doc/truthtable" "$root/etc/truthtable" "$root/etc/systemd/system"
for name in $executables; do put 0755 "$build/$name" "$root$libexec/$name"; done
ln -sfn ../lib/truthtable/truthtable "$root$prefix/bin/truthtable"
put 0644 "$here/README.md" "$root$prefix/share/doc/truthtable/README.md"
put 0644 "$here/.example.env" "$root$prefix/share/doc/truthtable/example.env"
[ -e "$root/etc/truthtable/env" ] || put 0640 "$here/deploy/env" "$root/etc/truthtable/env"
for unit in truthtable.service truthtable.socket; do
    sed -e "s|/usr/local/lib/truthtable/|$libexec/|" -e "s|/usr/local/share/|$prefix/share/|" "$here/deploy/$unit" >"$root/etc/systemd/system/$unit.new"
    chmod 0644 "$root/etc/systemd/system/$unit.new"
    mv -f "$root/etc/systemd/system/$unit.new" "$root/etc/systemd/system/$unit"
done

echo "installed $libexec, $prefix/bin/truthtable, /etc/truthtable/env, /etc/systemd/system/truthtable.service and .socket"
[ -z "$root" ] || exit 0

getent group truthtable >/dev/null || groupadd --system truthtable
id truthtable >/dev/null 2>&1 || useradd --system --gid truthtable --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin truthtable
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "next: edit /etc/truthtable/env, then systemctl enable truthtable && systemctl restart truthtable"
