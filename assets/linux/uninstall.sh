#!/bin/sh
# Removes what install.sh has installed: see --help.
set -eu

usage() {
    cat <<'END'
Usage: uninstall.sh [--prefix DIR] [--dry-run]

Stops the services and removes what install.sh installed: the program, menu entry, icons, command
and units. Configuration files (*.csv), their backups, the folder log and the user iec104 stay; it
says where.

  --prefix DIR  the program folder (default: the one this script lies in, else /opt/iec104mm2ss)
  --dry-run     only say what would be done
  --help        this text

Environment: DESTDIR as it was given to install.sh.
END
}

fail() {
    echo "uninstall.sh: $1" >&2
    exit "${2:-1}"
}

say() { printf '%s\n' "$1"; }

remove() {
    [ -e "$1" ] || [ -L "$1" ] || return 0
    say "removed: $1"
    [ "$dry_run" = yes ] || rm -rf "$1"
}

manager() {
    [ -z "$destdir" ] && [ "$dry_run" = no ] && command -v systemctl >/dev/null || return 0
    if [ "$scope" = user ]; then
        systemctl --user "$@" 2>/dev/null || true
    elif [ -d /run/systemd/system ]; then
        systemctl "$@" || true
    fi
}

main() {
    dry_run=no prefix='' destdir=${DESTDIR:-}
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix)
                [ $# -ge 2 ] || fail "--prefix needs a folder" 2
                prefix=$2
                shift
                ;;
            --prefix=*) prefix=${1#*=} ;;
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
    if [ -n "$prefix" ]; then
        target=$destdir${prefix%/}
    elif [ -f "$here/../.installed" ]; then
        target=$(readlink -f "$here/..")
    else
        target=$destdir/opt/iec104mm2ss
    fi
    [ -f "$target/.installed" ] || fail "nothing of install.sh is in $target; name the program folder: --prefix DIR"
    read -r _ scope service <"$target/.installed"
    if [ "$scope" = user ]; then
        : "${HOME:?it was installed for one user, who needs HOME}"
        bin=$destdir$HOME/.local/bin
        share=$destdir${XDG_DATA_HOME:-$HOME/.local/share}
        units=$destdir${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
    else
        bin=$destdir/usr/local/bin
        share=$destdir/usr/local/share
        units=$destdir/usr/local/lib/systemd/system
        [ -n "$destdir" ] || [ "$dry_run" = yes ] || [ "$(id -u)" = 0 ] || fail "needs root (sudo $0)"
    fi

    if [ "$service" = yes ]; then
        running=$(manager list-units --all --plain --no-legend \
            'iec104mm2ss.service' 'iec104mm2ss@*.service' | cut -d ' ' -f 1 | tr '\n' ' ')
        # shellcheck disable=SC2086  # several words, or none
        for unit in iec104mm2ss.service $running; do manager disable --now "$unit"; done
        remove "$units/iec104mm2ss.service"
        remove "$units/iec104mm2ss@.service"
        manager daemon-reload
    fi
    remove "$bin/iec104mm2ss"
    remove "$share/applications/iec104mm2ss.desktop"
    for size in 16 22 24 32 48 64 128 256; do
        remove "$share/icons/hicolor/${size}x$size/apps/iec104mm2ss.png"
    done
    remove "$share/icons/hicolor/scalable/apps/iec104mm2ss.svg"
    if [ -f "$share/icons/hicolor/icon-theme.cache" ] && [ "$dry_run" = no ]; then
        gtk-update-icon-cache -q -t -f "$share/icons/hicolor" || true
    fi
    while IFS= read -r name; do
        case $name in
            '' | '#'* | */* | . | ..) continue ;;
        esac
        remove "$target/$name"
    done <"$target/.installed"
    remove "$target/.installed"
    [ "$dry_run" = yes ] || rmdir "$target/log" "$target" 2>/dev/null || true
    if [ -d "$target" ]; then
        say "Kept, because it is yours: $target (configuration files and logs)"
    fi
    if [ "$scope" = system ] && [ "$service" = yes ] && [ -z "$destdir" ] && id iec104 >/dev/null 2>&1; then
        say "Kept: the system user iec104 (userdel iec104)"
    fi
}

main "$@"
exit
