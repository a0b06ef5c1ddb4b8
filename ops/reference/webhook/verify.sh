#!/usr/bin/env bash
# verify.sh SECRET TIMESTAMP SIGNATURE <BODY: the headers X-Timestamp and X-Signature, and the bytes as they came.
# To look into a request by hand: a secret on a command line is seen by others, and bash compares in no constant time.
set -euo pipefail
secret=$1 timestamp=$2 signature=$3
[[ $timestamp =~ ^[0-9]{1,18}$ ]] || exit 1
age=$(($(date +%s) - 10#$timestamp))
[ "${age#-}" -le 300 ] || exit 1
digest=$({ printf '%s.' "$timestamp"; cat; } | openssl dgst -sha256 -hmac "$secret" -r)
[ "v1=${digest%% *}" = "$signature" ]
