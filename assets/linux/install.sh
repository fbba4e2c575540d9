#!/bin/sh
# Installs IEC104MM2SS, from the folder of a release or from a source checkout: see --help.
set -eu
umask 022

usage() {
    cat <<'END'
Usage: install.sh [--user] [--prefix DIR] [--no-service] [--dry-run]

Installs or upgrades IEC104MM2SS: the program folder, a menu entry with icons, the command
iec104mm2ss, and systemd units. Run it as root, or with --user for yourself alone.
A configuration file (*.csv) and the folder log that are there already are never touched.

  --user        into your home: ~/.local/opt/iec104mm2ss, ~/.local/bin, ~/.local/share and
                ~/.config/systemd/user
  --prefix DIR  the program folder (default: /opt/iec104mm2ss)
  --no-service  no systemd units and no service user
  --dry-run     only say what would be done
  --help        this text

Environment: DESTDIR is put before every path that is written, for packages and trials; then no
user is made and no service is touched. PYTHON is the Python 3.11 or newer for an installation from
a checkout (default: python3).
END
}

fail() {
    echo "install.sh: $1" >&2
    exit "${2:-1}"
}

say() { printf '%s\n' "$1"; }

run() {
    if [ "$dry_run" = yes ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

# fill SOURCE TARGET MODE: a unit or menu entry with the paths of this installation
fill() {
    say "$2"
    [ "$dry_run" = yes ] && return 0
    mkdir -p "$(dirname "$2")"
    if [ "$scope" = user ]; then
        sed -e '/^# Left out in a unit of/d' -e '/^# \[system only\]/,/^# \[end\]/d' \
            -e '/network-online.target/d' -e 's/multi-user\.target/default.target/' "$1"
    else
        sed -e '/^# Left out in a unit of/d' -e '/^# \[system only\]/d' -e '/^# \[end\]/d' "$1"
    fi | sed -e "s|/opt/iec104mm2ss|$prefix|g" >"$2"
    chmod "$3" "$2"
}

# The systemctl of this scope, or nothing where systemd does not run or must not be touched.
manager() {
    [ -z "$destdir" ] && [ "$service" = yes ] && command -v systemctl >/dev/null || return 0
    if [ "$scope" = user ]; then
        systemctl --user "$@" 2>/dev/null || true
    elif [ -d /run/systemd/system ]; then
        systemctl "$@" || true
    fi
}

copy_release() {
    for item in "$source"/* "$source"/.[!.]*; do
        name=${item##*/}
        case $name in
            '*' | '.[!.]*' | log | *.csv | *.bak | *.new | .installed) continue ;;
        esac
        install_item "$item" "$name"
    done
}

copy_checkout() {
    for name in core app assets docs iec104mm2ss.py README.md CHANGELOG.md LICENSE; do
        install_item "$source/$name" "$name"
    done
    install_item "$source/assets/linux" linux
    run find "$target/core" "$target/app" "$target/assets" "$target/docs" \
        -name __pycache__ -prune -exec rm -rf {} +
    say "$target/.venv"
    run "$python" -m venv --clear "$target/.venv" \
        || fail "no virtual environment could be made (Debian, Ubuntu: apt-get install python3-venv)"
    echo .venv >>"$list"
    if [ "$dry_run" = no ]; then
        # The packages are named once, in pyproject.toml.
        "$python" -c 'import sys, tomllib
with open(sys.argv[1], "rb") as file: found = tomllib.load(file)["project"]
print(*found["dependencies"], *found["optional-dependencies"]["fast"], sep="\n")' \
            "$source/pyproject.toml" >"$work/packages"
        "$target/.venv/bin/python" -m pip install -q --disable-pip-version-check \
            -r "$work/packages" \
            || say "These packages could not be installed: $(tr '\n' ' ' <"$work/packages")- the program runs without them, but sets no clock and moves data slower. Run this again with a network."
    fi
    for name in iec104mm2ss iec104mm2ss-cli; do
        say "$target/$name"
        echo "$name" >>"$list"
        [ "$dry_run" = yes ] && continue
        cat >"$target/$name" <<'END'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/.venv/bin/python" "$here/iec104mm2ss.py" "$@"
END
        chmod 755 "$target/$name"
    done
    run "$target/.venv/bin/python" -m compileall -q "$target/core" "$target/app" || true
}

# install_item SOURCE NAME: replaces a file or folder of the program folder
install_item() {
    say "$target/$2"
    echo "$2" >>"$list"
    run rm -rf "${target:?}/$2"
    run cp -RP "$1" "$target/$2"
    run chmod -R u=rwX,go=rX "$target/$2"
}

add_user() {
    if [ -n "$destdir" ]; then
        say "The service needs the system user iec104, and $prefix/log must belong to it."
        return 0
    fi
    if ! id iec104 >/dev/null 2>&1; then
        say "system user iec104"
        run useradd --system --user-group --home-dir "$prefix" --no-create-home \
            --shell /usr/sbin/nologin iec104 \
            || fail "the user iec104 could not be made; make it by hand and run this again, or use --no-service"
    fi
    run chown -R iec104:iec104 "$target/log"
}

main() {
    scope=system service=yes dry_run=no prefix='' python=${PYTHON:-python3} destdir=${DESTDIR:-}
    while [ $# -gt 0 ]; do
        case $1 in
            --user) scope=user ;;
            --prefix)
                [ $# -ge 2 ] || fail "--prefix needs a folder" 2
                prefix=$2
                shift
                ;;
            --prefix=*) prefix=${1#*=} ;;
            --no-service) service=no ;;
            --dry-run) dry_run=yes ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) fail "unknown argument '$1'; --help shows what is possible" 2 ;;
        esac
        shift
    done

    here=$(dirname "$(readlink -f "$0")")
    if [ -x "$here/../iec104mm2ss-cli" ] && [ -d "$here/../_internal" ]; then
        source=$(readlink -f "$here/..") kind=release images=$here/../_internal/assets
    elif [ -f "$here/../../iec104mm2ss.py" ] && [ -f "$here/../../pyproject.toml" ]; then
        source=$(readlink -f "$here/../..") kind=checkout images=$here/..
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
            || fail "'$python' is not Python 3.11 or newer; name one: PYTHON=/path/to/python3 install.sh"
    else
        fail "run it where it lies: in the folder linux of a release, or assets/linux of a checkout"
    fi

    if [ "$scope" = user ]; then
        : "${HOME:?--user needs HOME}"
        prefix=${prefix:-$HOME/.local/opt/iec104mm2ss}
        bin=$destdir$HOME/.local/bin
        share=$destdir${XDG_DATA_HOME:-$HOME/.local/share}
        units=$destdir${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
    else
        prefix=${prefix:-/opt/iec104mm2ss}
        bin=$destdir/usr/local/bin
        share=$destdir/usr/local/share
        units=$destdir/usr/local/lib/systemd/system
        [ -n "$destdir" ] || [ "$dry_run" = yes ] || [ "$(id -u)" = 0 ] \
            || fail "needs root for all users (sudo $0), or --user for yourself alone"
    fi
    prefix=${prefix%/}
    case $prefix in
        *[\"\\\`\$%\&\|\;\']* | *'
'*) fail "the program folder '$prefix' has a character that a unit or menu entry cannot hold" 2 ;;
        /*) ;;
        *) fail "--prefix must be an absolute path, not '$prefix'" 2 ;;
    esac
    target=$destdir$prefix
    [ "$source" != "$(readlink -f "$target" 2>/dev/null || true)" ] \
        || fail "$source is the program folder itself; run it from an unpacked release or a checkout"

    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    list=$work/installed
    echo "# $scope $service" >"$list"

    say "From the $kind in $source into $target:"
    running=$(manager list-units --plain --no-legend --state=active \
        'iec104mm2ss.service' 'iec104mm2ss@*.service' | cut -d ' ' -f 1 | tr '\n' ' ')
    if [ -n "$running" ]; then
        say "stopping $running"
        # shellcheck disable=SC2086  # several words
        [ "$dry_run" = yes ] || manager stop $running
    fi
    run mkdir -p "$target/log"
    if [ "$kind" = release ]; then copy_release; else copy_checkout; fi
    if [ -e "$target/iec104mm2ss.csv" ]; then
        say "$target/iec104mm2ss.csv is kept as it is, and so are the logs."
    else
        say "$target/iec104mm2ss.csv"
        run cp "$source/iec104mm2ss.csv" "$target/iec104mm2ss.csv"
        run chmod 644 "$target/iec104mm2ss.csv"
    fi

    say "$bin/iec104mm2ss"
    run mkdir -p "$bin"
    run ln -sfn "$prefix/iec104mm2ss" "$bin/iec104mm2ss"
    fill "$here/iec104mm2ss.desktop" "$share/applications/iec104mm2ss.desktop" 644
    for size in 16 22 24 32 48 64 128 256; do
        image=$share/icons/hicolor/${size}x$size/apps/iec104mm2ss.png
        run mkdir -p "${image%/*}"
        run cp "$images/iec104mm2ss-$size.png" "$image"
    done
    image=$share/icons/hicolor/scalable/apps/iec104mm2ss.svg
    run mkdir -p "${image%/*}"
    run cp "$images/iec104mm2ss.svg" "$image"
    say "$share/icons/hicolor: the icon"
    # Only where there is a list of icons already: without one they are looked for.
    if [ -f "$share/icons/hicolor/icon-theme.cache" ]; then
        run gtk-update-icon-cache -q -t -f "$share/icons/hicolor" || true
    fi

    if [ "$service" = yes ]; then
        fill "$here/iec104mm2ss.service" "$units/iec104mm2ss.service" 644
        fill "$here/iec104mm2ss@.service" "$units/iec104mm2ss@.service" 644
        [ "$scope" = user ] || add_user
        [ "$dry_run" = yes ] || manager daemon-reload
    fi
    run cp "$list" "$target/.installed"
    if [ -n "$running" ]; then
        say "starting $running"
        # shellcheck disable=SC2086
        [ "$dry_run" = yes ] || manager start $running
    fi

    user=''
    [ "$scope" = system ] || user=' --user'
    say ""
    say "Done. Edit $prefix/iec104mm2ss.csv, then look how it is read: $prefix/iec104mm2ss-cli --check -i $prefix/iec104mm2ss.csv"
    if [ "$service" = yes ]; then
        say "As a service:  systemctl$user enable --now iec104mm2ss"
        say "One more, with a file of its own ($prefix/north.csv):  systemctl$user enable --now iec104mm2ss@north"
    fi
    say "Away with it:  $prefix/linux/uninstall.sh"
}

main "$@"
exit
