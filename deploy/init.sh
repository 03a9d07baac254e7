#!/bin/sh
# Makes the secrets of a network that has none: there are no default passwords. What is there stays as it is, so that it can run at every start.
# Usage: init.sh FOLDER; the files go to FOLDER/nats, FOLDER/postgres and FOLDER/tact, each readable by its own server only.
set -eu
umask 077
folder=${1:?say which folder the secrets go to}

secret() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# put OWNER FILE TEXT: writes the file whole or not at all.
put() {
    mkdir -p "$(dirname "$2")"
    printf '%s\n' "$3" > "$2.new"
    chmod 400 "$2.new"
    # Only root can hand a file to another; anybody else runs the servers as themselves.
    if [ "$(id -u)" = 0 ]; then
        chown "$1:$1" "$2.new" "$(dirname "$2")"
    fi
    mv -f "$2.new" "$2"
    echo "made $2"
}

# keep OWNER FILE: a new secret, unless there is one.
keep() {
    if [ ! -s "$2" ]; then
        put "$1" "$2" "$(secret)"
    fi
}

# follow OWNER FILE TEXT: what follows from secrets, made anew if one of them was.
follow() {
    if [ "$(cat "$2" 2> /dev/null)" != "$3" ]; then
        put "$1" "$2" "$3"
    fi
}

# The users of the images: nats runs as root, postgres as 999, tact as 65532.
for user in services reactor projector notary dispatcher feed feed-writer; do
    keep 65532 "$folder/tact/nats-$user"
done
keep 0 "$folder/nats/operator"
keep 0 "$folder/nats/witness"
keep 0 "$folder/nats/maintainer"
keep 0 "$folder/nats/analyst"
password() {
    cat "$folder/$1"
}
follow 0 "$folder/nats/passwords.conf" "SERVICES_PASSWORD: \"$(password tact/nats-services)\"
REACTOR_PASSWORD: \"$(password tact/nats-reactor)\"
PROJECTOR_PASSWORD: \"$(password tact/nats-projector)\"
NOTARY_PASSWORD: \"$(password tact/nats-notary)\"
FEED_PASSWORD: \"$(password tact/nats-feed)\"
FEED_WRITER_PASSWORD: \"$(password tact/nats-feed-writer)\"
ANALYST_PASSWORD: \"$(password nats/analyst)\"
MAINTAINER_PASSWORD: \"$(password nats/maintainer)\"
DISPATCHER_PASSWORD: \"$(password tact/nats-dispatcher)\"
WITNESS_PASSWORD: \"$(password nats/witness)\"
OPERATOR_PASSWORD: \"$(password nats/operator)\""

keep 999 "$folder/postgres/password"
follow 65532 "$folder/tact/database-url" "postgres://tact:$(password postgres/password)@postgres:5432/tact"
# From this the ids of events follow: a network that loses it can no longer tell a repeated command from a new one.
keep 65532 "$folder/tact/id-key"

# What network and gateway sign their requests to one another with (Standard Webhooks).
if [ ! -s "$folder/tact/gateway" ]; then
    put 65532 "$folder/tact/gateway" "whsec_$(head -c 32 /dev/urandom | base64)"
fi

# The notary makes the key by which the network signs, in a folder that is its own.
if [ -d "$folder/keys" ]; then
    chmod 700 "$folder/keys"
    if [ "$(id -u)" = 0 ]; then
        chown 65532:65532 "$folder/keys"
    fi
fi
