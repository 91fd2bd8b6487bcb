#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails when an #include in src/ points against the order of the layers (ARCHITECTURE.md).
# usage: check_layers.sh SRC_DIR
cd "$1" || exit 2
may_use() {
    case $1 in
    base) echo "" ;;
    codec | chat | route | tls | net) echo "base" ;;
    dialect) echo "base codec chat" ;;
    auth) echo "base codec tls" ;;
    config) echo "base codec route" ;;
    lib) echo "base codec route config fairlead" ;;
    store) echo "base codec" ;;
    server) echo "base codec chat route dialect config tls auth store" ;;
    sim) echo "base codec chat route dialect config tls auth store server" ;;
    cli) echo "base codec chat route dialect config tls auth store server sim net" ;;
    *) echo "unknown" ;;
    esac
}
bad=0
for layer in *; do
    [ -d "$layer" ] || continue
    allowed=$(may_use "$layer")
    [ "$allowed" = unknown ] && { echo "src/$layer: a folder without a place in the order of layers"; bad=1; continue; }
    for used in $(grep -rhoE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[a-z]+/' "$layer" | sed 's/.*"//; s,/,,' | sort -u); do
        case " $layer $allowed " in
        *" $used "*) ;;
        *)
            grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]+\"$used/" "$layer" | sed "s|\$|   <- $layer/ may not include $used/|"
            bad=1
            ;;
        esac
    done
done
exit $bad
